import type { TopicPartition } from "./log-reader.ts";

export interface RecordHeader {
  readonly key: string;
  readonly value: string;
}

/** The committed offset of a partition with the metadata that went with it. */
export interface CommittedOffset extends TopicPartition {
  readonly offset: number;
  readonly metadata: string;
}

/** How a transaction ended. `refused`: Kafka did not take a record or an offset, and would not take the same again. `fenced`: another producer has this id or it timed out; the writer is unusable. `aborted`: nothing of it is visible, the writer can begin again. */
export type TransactionOutcome =
  | { readonly kind: "committed" }
  | { readonly kind: "aborted"; readonly cause: unknown; readonly refused?: true }
  /** Unknown whether it is committed: replace the writer (init anew), then compare n of the commit record. */
  | { readonly kind: "in-doubt"; readonly cause: unknown; readonly refused?: true }
  | { readonly kind: "fenced"; readonly cause: unknown };

/** One transactional producer: one transaction at a time. */
export interface TransactionalWriter {
  readonly transactionalId: string;
  /** Takes over the id: fences older ones, ends their open transaction. Replaces the producer underneath when called again. */
  init(): Promise<void>;
  begin(): Promise<void>;
  /** Copies nothing: key and value must not change until the transaction ended. Throws when the local queue is full even after waiting is impossible; call `drain` between chunks. */
  produce(
    topic: string,
    partition: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    timestampMs: number,
    headers?: readonly RecordHeader[],
  ): void;
  /** Resolves when the local queue has room again. */
  drain(): Promise<void>;
  /** Offsets with the group's metadata (that is the fence), then commit; aborts by itself on abortable errors. @throws RepriseError KAFKA_DENIED; no other of Kafka's errors */
  commit(offsets: readonly CommittedOffset[]): Promise<TransactionOutcome>;
  abort(): Promise<TransactionOutcome>;
  close(): Promise<void>;
}

/** Reads committed offsets of any group, require-stable. */
export interface GroupOffsets {
  /** Waits until no transaction is pending on the asked partitions. Partitions without a committed offset are left out. */
  committed(group: string, partitions: readonly TopicPartition[]): Promise<CommittedOffset[]>;
}

/** Membership of the worker in its deployment's group, on the lead input topic. */
export interface Membership {
  /** Joins; `onAssigned`/`onRevoked` are awaited before the rebalance is answered (the revoke barrier). */
  join(handlers: {
    readonly onAssigned: (partitions: readonly number[]) => Promise<void>;
    readonly onRevoked: (partitions: readonly number[]) => Promise<void>;
    readonly onError: (error: unknown) => void;
  }): Promise<void>;
  leave(): Promise<void>;
}
