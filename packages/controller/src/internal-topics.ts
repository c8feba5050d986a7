import { controlTopic, statusTopic } from "@reprise/engine";
import type { Cluster, TopicWish } from "./cluster.ts";

const wishes: readonly TopicWish[] = [
  // Kept for ever, never compacted: everything that was ever decided.
  { topic: controlTopic, partitions: 1, configs: { "cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1" } },
  // A record per second and worker: compacted soon, so that a start reads little.
  {
    topic: statusTopic,
    partitions: 1,
    configs: {
      "cleanup.policy": "compact",
      "segment.ms": "600000",
      "segment.bytes": "4194304",
      "min.cleanable.dirty.ratio": "0.1",
      "delete.retention.ms": "600000",
    },
  },
];

/** Creates the control and the status topic where they are missing. */
export async function createInternalTopics(cluster: Pick<Cluster, "describeTopics" | "createTopic">): Promise<void> {
  const existing = await cluster.describeTopics(wishes.map(({ topic }) => topic));
  for (const wish of wishes) if (!existing.has(wish.topic)) await cluster.createTopic(wish);
}
