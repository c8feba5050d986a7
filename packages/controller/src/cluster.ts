import type { GroupOffsets, LogReader, TopicPartition, TransactionalWriter } from "@reprise/engine";
import type { StatusWriter } from "./control/status-board.ts";
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

/** What the controller needs of Kafka. All of it may be repeated: what is there already, or gone already, is no error. */
export interface Cluster {
  /** @throws RepriseError BROKER_UNREACHABLE naming the address */
  waitReachable(timeoutMs: number): Promise<void>;
  openReader(): Promise<LogReader>;
  openWriter(transactionalId: string): TransactionalWriter;
  openStatusWriter(): StatusWriter & { close(): Promise<void> };
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
