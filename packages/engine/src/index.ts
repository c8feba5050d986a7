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
export { type CommitRecord, commitRecordMaxBytes, decodeCommitRecord, encodeCommitRecord } from "./commit/commit-record.ts";
export type { ControllerAnnouncement, ViewAnswer, WorkerAnnouncement } from "./control/announcement.ts";
export type { ControlEvent, ControlRecord, DeployedInput, DeploymentSpec, DeploymentState, PositionVector } from "./control/control-event.ts";
export {
  type ControlState,
  type DeploymentEntry,
  emptyControlState,
  foldControl,
  isParked,
  offsetIn,
  type PendingCutover,
  type ProcessorEntry,
  type PublicationInterval,
  publisherOf,
} from "./control/control-state.ts";
export { controllerTransactionalId, controlTopic, deadLetterTopicOf, deltaTopicOf, groupOf, statusTopic, transactionalIdOf } from "./control/names.ts";
