import type { GroupOffsets, LogReader, RecordHeader, TopicPartition, TransactionalWriter } from "@reprise/engine";
import type { InputEnd } from "./observe/observation.ts";

export interface TopicDescription {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: number;
}

export interface TopicWish {
  readonly topic: string;
  readonly partitions: number;
  readonly configs: { readonly [name: string]: string };
}

/** Writes records that are no part of a transaction: announcements and ticks. */
export interface RecordWriter {
  send(
    topic: string,
    partition: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers?: readonly RecordHeader[],
    timestampMs?: number,
  ): Promise<unknown>;
  close(): Promise<void>;
}

/** What the controller needs of Kafka. All of it may be repeated: what is there already, or gone already, is no error. */
export interface Cluster {
  /** @throws RepriseError BROKER_UNREACHABLE naming the address */
  waitReachable(timeoutMs: number): Promise<void>;
  openReader(): Promise<LogReader>;
  openWriter(transactionalId: string): TransactionalWriter;
  openRecordWriter(): RecordWriter;
  readonly offsets: GroupOffsets;
  /** Topics that do not exist are left out. */
  describeTopics(topics: readonly string[]): Promise<Map<string, TopicDescription>>;
  createTopic(wish: TopicWish): Promise<void>;
  deleteTopic(topic: string): Promise<void>;
  /** @throws RepriseError KAFKA_FAILED while it has members */
  deleteGroup(group: string): Promise<void>;
  /** Raises the epoch of each transactional id and ends its open transaction: whoever used it can't commit any more. */
  fence(transactionalIds: readonly string[]): Promise<void>;
  /** Same order as asked. */
  ends(partitions: readonly TopicPartition[]): Promise<InputEnd[]>;
  close(): Promise<void>;
}
