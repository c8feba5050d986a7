import type { TopicPartition } from "./log-reader.ts";

/** What the brokers say of topics, and how far these go back. All fail with BROKER_UNREACHABLE or KAFKA_FAILED after their own retries. */
export interface TopicOffsets {
  /** The oldest offset that the log has. @throws RepriseError TOPIC_MISSING */
  earliest(partition: TopicPartition): Promise<number>;
  /** One beyond the newest record, decided or not. @throws RepriseError TOPIC_MISSING */
  highWatermark(partition: TopicPartition): Promise<number>;
  /** The same of several, in the order asked. @throws RepriseError TOPIC_MISSING */
  highWatermarks(partitions: readonly TopicPartition[]): Promise<number[]>;
  /** Deletes what is below the offset, for good; nothing is there any more: no error. @throws RepriseError TOPIC_MISSING */
  deleteRecords(partition: TopicPartition, beforeOffset: number): Promise<void>;
  /** Undefined: there is no such topic. */
  describe(topic: string): Promise<{ readonly topicId: string; readonly partitions: number } | undefined>;
}
