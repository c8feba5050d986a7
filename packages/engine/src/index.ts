export type { CheckpointManifest, CheckpointStore, TaskId } from "./ports/checkpoint-store.ts";
export type { LogReader, PartitionEnd, RecordColumns, TopicPartition } from "./ports/log-reader.ts";
export type { KeyRange, RowWrite, StateStore, StateStoreEngine, StoredRow } from "./ports/state-store.ts";
export type {
  CommittedOffset,
  GroupOffsets,
  Membership,
  RecordHeader,
  TransactionalWriter,
  TransactionOutcome,
} from "./ports/transactional-writer.ts";
