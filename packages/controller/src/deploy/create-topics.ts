import { type DeployedRoute, type DeploymentSpec, deadLetterTopicOf, deltaMaxMessageBytes, deltaTopicOf } from "@reprise/engine";
import type { Cluster, TopicWish } from "../cluster.ts";
import { type ManifestView, viewManifest } from "./manifest-view.ts";
import { commonPartitions } from "./plan-routes.ts";

/** Kept for ever: what is replayed from, and what others read, must not vanish by the age of its timestamps. */
const keepForEver = { "retention.ms": "-1", "retention.bytes": "-1" };

/** Creates what is missing of a deployment's outputs, dead letters and deltas. Topics that exist stay as they are. */
export async function createTopicsOf(spec: DeploymentSpec, cluster: Pick<Cluster, "describeTopics" | "createTopic">): Promise<void> {
  const wishes = topicsOf(spec);
  const existing = await cluster.describeTopics(wishes.map(({ topic }) => topic));
  for (const wish of wishes) if (!existing.has(wish.topic)) await cluster.createTopic(wish);
}

/**
 * The topic of a processor's ticks, with as many partitions as its lead input. It must be there before the deployment is: it is one of its inputs.
 * Without a lead input nothing is created, and the deployment is refused for that.
 */
export async function createClockTopic(manifest: ManifestView, cluster: Pick<Cluster, "describeTopics" | "createTopic">): Promise<void> {
  const { clock, inputs, routes } = manifest;
  if (clock === undefined) return;
  const existing = await cluster.describeTopics([clock.topic, ...inputs.slice(0, 1), ...routes.map(({ source }) => source)]);
  const partitions = commonPartitions(manifest, existing);
  if (partitions === undefined || existing.has(clock.topic)) return;
  await cluster.createTopic({
    topic: clock.topic,
    partitions,
    configs: { "cleanup.policy": "delete", ...keepForEver },
  });
}

/** A deployment's internal topics. They must be there before it is: they are inputs of it. */
export async function createRouteTopics(
  routes: readonly DeployedRoute[],
  cluster: Pick<Cluster, "describeTopics" | "createTopic">,
): Promise<void> {
  const existing = await cluster.describeTopics(routes.map(({ topic }) => topic));
  for (const { topic, partitions } of routes) {
    if (!existing.has(topic)) await cluster.createTopic({ topic, partitions, configs: { "cleanup.policy": "delete", ...keepForEver } });
  }
}

/** All topics that a deployment writes, but for its internal ones. */
export function topicsOf(spec: DeploymentSpec): TopicWish[] {
  const manifest = viewManifest(spec.manifest);
  const partitions = spec.inputs[0]?.partitions ?? 1;
  const log = { "cleanup.policy": "delete", ...keepForEver };
  const wishes: TopicWish[] = manifest.outputs.map(({ topic, kind }) => ({
    topic,
    partitions,
    configs: kind === "table" ? { "cleanup.policy": "compact" } : log,
  }));
  // Dead letters whatever the policies say: any handler may reject a record.
  wishes.push(
    { topic: deltaTopicOf(spec.id), partitions, configs: { ...log, "max.message.bytes": String(deltaMaxMessageBytes) } },
    { topic: deadLetterTopicOf(manifest.name), partitions, configs: log },
  );
  return wishes;
}
