import { type DeployedRoute, type DeploymentSpec, routeTopicOf } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { TopicDescription } from "../cluster.ts";
import { type ManifestView, viewManifest } from "./manifest-view.ts";

/**
 * How many partitions the inputs have together: as many as one that is read under its own key; where there is none, as many as the source of the first
 * that is rekeyed. Undefined: that topic does not exist.
 */
export function commonPartitions(manifest: ManifestView, topics: ReadonlyMap<string, TopicDescription>): number | undefined {
  const decides = manifest.inputs[0] ?? manifest.routes[0]?.source;
  return decides === undefined ? undefined : topics.get(decides)?.partitions;
}

/**
 * The internal topics of another deployment, to read them too: with its followers, its cutovers and all. Each of the two keeps filling them, by the same
 * code.
 * @throws RepriseError DECLARATION_CONFLICT naming what differs · TOPIC_RECREATED
 */
export function sharedRoutes(
  manifest: ManifestView,
  other: DeploymentSpec,
  topics: ReadonlyMap<string, TopicDescription>,
): readonly DeployedRoute[] {
  const refuse = (why: string): never => {
    throw new RepriseError(
      "DECLARATION_CONFLICT",
      `Version ${manifest.version} of '${manifest.name}' can't share the routes of ${other.id}: ${why}.`,
      {
        details: { processor: manifest.name, version: manifest.version, deployment: other.id },
      },
    );
  };
  const theirs = new Map(viewManifest(other.manifest).routes.map((route) => [route.name, route.rule]));
  const { routes = [] } = other;
  if (routes.length !== manifest.routes.length) refuse(`it has ${routes.length} rekeyed inputs, this version ${manifest.routes.length}`);
  for (const { name, rule } of manifest.routes) {
    if (!theirs.has(name)) refuse(`it has no input ${name}`);
    if (theirs.get(name) !== rule) refuse(`key, schema or code of 'by' of ${name} differ`);
  }
  const read = [
    ...routes.map(({ source }) => source),
    ...other.inputs.filter((input) => routes.some(({ topic }) => topic === input.topic)),
  ];
  for (const { topic, topicId } of read) {
    const found = topics.get(topic);
    if (found === undefined || found.topicId === topicId) continue;
    throw new RepriseError("TOPIC_RECREATED", `The topic '${topic}' is another one than ${other.id} has read.`, {
      details: { topic, deployment: other.id },
    });
  }
  return routes;
}

/** Internal topics that were made for this deployment. */
export function ownRoutes({ id, routes = [] }: DeploymentSpec): readonly DeployedRoute[] {
  return routes.filter(({ name, topic }) => topic === routeTopicOf(id, name));
}

const longestTopicName = 249;

/**
 * The internal topics that a deployment would have, and what they would be filled from. Sources that do not exist are left out.
 * @throws RepriseError INVALID_DECLARATION for a name that Kafka does not take
 */
export function plannedRoutes(manifest: ManifestView, deployment: string, topics: ReadonlyMap<string, TopicDescription>): DeployedRoute[] {
  const partitions = commonPartitions(manifest, topics);
  if (partitions === undefined) return [];
  return manifest.routes.flatMap(({ name, source }) => {
    const found = topics.get(source);
    if (found === undefined) return [];
    const { topicId, partitions: origins } = found;
    const topic = routeTopicOf(deployment, name);
    if (topic.length > longestTopicName) {
      throw new RepriseError(
        "INVALID_DECLARATION",
        `The internal topic '${topic}' would have a name of ${topic.length} characters; Kafka takes ${longestTopicName}.`,
        { details: { processor: manifest.name, topic } },
      );
    }
    return [{ name, topic, partitions, source: { topic: source, topicId, partitions: origins } }];
  });
}
