import { type DeployedRoute, routeTopicOf } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { TopicDescription } from "../cluster.ts";
import type { ManifestView } from "./manifest-view.ts";

/**
 * How many partitions the inputs have together: as many as one that is read under its own key; where there is none, as many as the source of the first
 * that is rekeyed. Undefined: that topic does not exist.
 */
export function commonPartitions(manifest: ManifestView, topics: ReadonlyMap<string, TopicDescription>): number | undefined {
  const decides = manifest.inputs[0] ?? manifest.routes[0]?.source;
  return decides === undefined ? undefined : topics.get(decides)?.partitions;
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
