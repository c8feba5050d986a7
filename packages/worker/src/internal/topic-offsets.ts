import type { TopicOffsets, TopicPartition } from "@reprise/engine";
import type { Admin } from "@reprise/kafka";

/** The engine's port on the admin client. */
export function topicOffsets(admin: Admin): TopicOffsets {
  const one = async (partition: TopicPartition, query: "earliest" | "high-watermark"): Promise<number> => {
    const [found] = await admin.listOffsets([partition], query);
    return (found as { offset: number }).offset;
  };
  return {
    earliest: (partition) => one(partition, "earliest"),
    highWatermark: (partition) => one(partition, "high-watermark"),
    highWatermarks: async (partitions) => (await admin.listOffsets(partitions, "high-watermark")).map(({ offset }) => offset),
    deleteRecords: (partition, beforeOffset) => admin.deleteRecords([{ ...partition, beforeOffset }]),
    async describe(topic) {
      const found = (await admin.describeTopics([topic])).get(topic);
      return found === undefined ? undefined : { topicId: found.topicId, partitions: found.partitions };
    },
  };
}
