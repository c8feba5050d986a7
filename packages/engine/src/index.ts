export { type Failpoint, failpoint, failpoints } from "./internal/failpoint.ts";
export type {
  CheckpointManifest,
  CheckpointProgress,
  CheckpointReadOptions,
  CheckpointStore,
  CheckpointWriteOptions,
  TaskId,
} from "./ports/checkpoint-store.ts";
export { type Clock, systemClock } from "./ports/clock.ts";
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
export type {
  CheckpointFailure,
  ControllerAnnouncement,
  LateRange,
  RestoreProgress,
  ViewAnswer,
  WorkerAnnouncement,
} from "./control/announcement.ts";
export type {
  ControlEvent,
  ControlRecord,
  DeployedInput,
  DeployedRoute,
  DeploymentSpec,
  DeploymentState,
  PositionVector,
} from "./control/control-event.ts";
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
  publishesFromItsStart,
} from "./control/control-state.ts";
export {
  controllerTransactionalId,
  controlTopic,
  clockTopicOf,
  deadLetterTopicOf,
  deltaTopicOf,
  groupOf,
  routeTopicOf,
  routeTransactionalIdOf,
  statusTopic,
  transactionalIdOf,
} from "./control/names.ts";
export { sharesRoutes } from "./control/shared-routes.ts";
export { murmur2, partitionForKey } from "./murmur2.ts";
export { type Delta, DeltaAssembler, deltaMaxMessageBytes, encodeDelta } from "./commit/delta.ts";
export { ControlLogTail } from "./control/control-log-tail.ts";
export { type CompiledProcessor, type CompiledRoute, compileProcessor } from "./definition/compiled-processor.ts";
export { assertSupported, unsupportedFeatures } from "./definition/unsupported.ts";
export type { OutputRecord } from "./output/output-buffer.ts";
export type { TopicOffsets } from "./ports/topic-offsets.ts";
export { RouteSession, type RouteLimits, type RouteObserver, type RouteSessionOptions } from "./route/route-session.ts";
export { RouteTask, type RoutedRecord } from "./route/route-task.ts";
export { type OpenedStore, openTaskStore } from "./session/open-task.ts";
export { type StateAsOf, type StateAsOfOptions, stateAsOf, type StateTarget } from "./session/state-as-of.ts";
export { Session, type SessionEnd } from "./session/session.ts";
export type { CheckpointSize } from "./session/checkpointer.ts";
export { type RestoreOptions, restoreCheckpoint } from "./session/restore-checkpoint.ts";
export { type VerifiedCheckpoint, verifyCheckpoint } from "./session/verify-checkpoint.ts";
export {
  defaultLimits,
  type DroppedStore,
  type SessionLimits,
  type SessionObserver,
  type SessionOptions,
} from "./session/session-options.ts";
export { metaRowKey, parseRowKey } from "./state/row-key.ts";
export { IdCursor, SortedIds } from "./state/sorted-ids.ts";
export { readHeaders } from "./task/record-headers.ts";
export { type PreparedCommit, Task, type TaskOptions } from "./task/task.ts";
export { type FaultCount, type LateCount, noCounts, silentHooks, type TaskCounters, type TaskHooks } from "./task/task-hooks.ts";
export { newTaskMeta, type TaskMeta, zeroDigest } from "./task/task-meta.ts";
export { planMigration, type StateMigration } from "./migrate/plan-migration.ts";
export { RowMigration } from "./migrate/row-migration.ts";
export { RowDigest } from "./state/row-digest.ts";
export {
  committedEntries,
  committedEntry,
  committedItems,
  committedValue,
  committedWindow,
  committedWindows,
  keyBytesOf,
  readView,
  type ViewQuery,
  type ViewResult,
  viewOf,
} from "./view/task-views.ts";
export {
  type Mismatch,
  type ReplayVariant,
  replayVariants,
  type RowDifference,
  type TaskVerdict,
  verifyTask,
  type VerifyOptions,
} from "./verify/verify-task.ts";
export { type CommittedRows, committedRows, type RowSelection, selectionOf, type StateQuery } from "./view/committed-rows.ts";
export { type ShownRow, shownRow, shownRowJson } from "./view/shown-row.ts";
export { EndSamples } from "./lag/end-samples.ts";
export type { RunningTask } from "./session/running-task.ts";
