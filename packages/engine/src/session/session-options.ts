import type { CompiledProcessor } from "../definition/compiled-processor.ts";
import type { DeploymentSpec } from "../control/control-event.ts";
import type { ControlLogTail } from "../control/control-log-tail.ts";
import type { CheckpointProgress, CheckpointStore } from "../ports/checkpoint-store.ts";
import type { Clock } from "../ports/clock.ts";
import { defaultMaxHeldRecords } from "../order/time-order.ts";
import type { LogReader } from "../ports/log-reader.ts";
import type { StateStoreEngine } from "../ports/state-store.ts";
import type { TopicOffsets } from "../ports/topic-offsets.ts";
import type { GroupOffsets, Membership, TransactionalWriter } from "../ports/transactional-writer.ts";
import type { TaskHooks } from "../task/task-hooks.ts";
import type { CheckpointSize } from "./checkpointer.ts";
import type { ScrubLimits, ScrubObserver } from "./scrubber.ts";

/** Why a local store was dropped. `digest`: its rows are not those that it says it has. */
export interface DroppedStore {
  readonly reason: "STATE_CORRUPT" | "STATE_OTHER_ENGINE" | "digest";
  /** For people. */
  readonly message: string;
}

/** How a session works; defaults in `defaultLimits`. */
export interface SessionLimits extends ScrubLimits {
  /** Time from one commit to the next, when there is something to commit. */
  readonly commitIntervalMs: number;
  /** Building tasks commit for display only. */
  readonly buildingCommitIntervalMs: number;
  /** Tasks go on while their commit is on its way. */
  readonly pipelined: boolean;
  /** A commit comes early beyond this many changed rows or bytes of outputs. */
  readonly maxChangedRows: number;
  /** Of changed rows, as far as is known before they are encoded. */
  readonly maxChangedBytes: number;
  readonly maxOutputBytes: number;
  /** Committed rows reach the local store at the latest then, or beyond this many. */
  readonly flushIntervalMs: number;
  readonly maxUnsavedRows: number;
  readonly maxUnsavedBytes: number;
  readonly checkpointIntervalMs: number;
  readonly keptCheckpoints: number;
  /** Deltas that no kept checkpoint needs are deleted after the next checkpoint then; reads back the checkpoints that are new since. */
  readonly truncationIntervalMs: number;
  readonly maxCachedKeysPerTask: number;
  /** Of rows as they are stored; decoded they take several times as much. */
  readonly maxCachedBytesPerTask: number;
  /** See TaskOptions; the same for all workers of a deployment. */
  readonly maxHeldRecordsPerTask: number;
  readonly batchRecords: number;
  /** A task whose handlers are slow takes fewer records at a time, so that a step takes no longer. */
  readonly longestStepMs: number;
  /** How often the publisher's committed position is read. */
  readonly followIntervalMs: number;
}

export const defaultLimits: SessionLimits = {
  commitIntervalMs: 100,
  buildingCommitIntervalMs: 1000,
  pipelined: true,
  maxChangedRows: 200_000,
  maxChangedBytes: 32 * 1024 * 1024,
  maxOutputBytes: 32 * 1024 * 1024,
  flushIntervalMs: 10_000,
  maxUnsavedRows: 100_000,
  maxUnsavedBytes: 32 * 1024 * 1024,
  checkpointIntervalMs: 60_000,
  keptCheckpoints: 2,
  truncationIntervalMs: 600_000,
  scrubIntervalMs: 3_600_000,
  scrubRowsPerSecond: 20_000,
  maxCachedKeysPerTask: 200_000,
  maxCachedBytesPerTask: 64 * 1024 * 1024,
  maxHeldRecordsPerTask: defaultMaxHeldRecords,
  batchRecords: 2048,
  longestStepMs: 100,
  followIntervalMs: 100,
};

/** What a worker session needs from outside. */
export interface SessionOptions {
  readonly clock: Clock;
  readonly spec: DeploymentSpec;
  readonly processor: CompiledProcessor;
  readonly writer: TransactionalWriter;
  readonly membership: Membership;
  readonly groupOffsets: GroupOffsets;
  /** Of the input topics. */
  readonly reader: LogReader;
  /** One more for a task that reads broadcast tables; the session closes it. */
  readonly openReader: () => Promise<LogReader>;
  /** Of Reprise's own topics: the control log and deltas. */
  readonly systemReader: LogReader;
  readonly control: ControlLogTail;
  readonly offsets: TopicOffsets;
  readonly stateEngine: StateStoreEngine;
  /** Folder of this deployment's stores; one sub-folder per task. */
  readonly stateFolder: string;
  readonly checkpoints: CheckpointStore;
  readonly hooks: TaskHooks;
  readonly limits: SessionLimits;
  /** Told of what happened, for metrics and logs. */
  readonly observer: SessionObserver;
}

/** All calls are synchronous and cheap. */
export interface SessionObserver extends ScrubObserver {
  taskOpened(partition: number, how: string, durationMs: number): void;
  taskClosed(partition: number): void;
  taskFailed(partition: number, error: unknown): void;
  /** A task can't be opened. `final`: not by another try either; else it is tried again after a pause, and `taskOpened` tells when it went well. */
  openingFailed(partition: number, error: unknown, final: boolean): void;
  wentLive(partition: number): void;
  startedPublishing(partition: number): void;
  committed(tasks: number, durationMs: number): void;
  /** Records written to an output topic in a commit that is decided. */
  published(topic: string, records: number): void;
  stepped(partition: number, records: number, durationMs: number): void;
  checkpointed(partition: number, n: number, durationMs: number, size?: CheckpointSize): void;
  /** It is tried again. */
  checkpointFailed(partition: number, error: unknown): void;
  /** Deltas below this offset were deleted. */
  deltasTruncated(partition: number, below: number): void;
  /** They were not: a checkpoint does not verify, or Kafka refused. Tried again after the next interval. */
  deltasKept(partition: number, reason: unknown): void;
  /** A local store can't be used, and is removed; its task is restored. */
  storeDropped(partition: number, dropped: DroppedStore): void;
  /** How far the copying of a checkpoint into the local store is; `taskOpened` follows. */
  restoring?(partition: number, progress: CheckpointProgress): void;
}
