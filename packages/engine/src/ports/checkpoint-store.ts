import type { RowWrite, StoredRow } from "./state-store.ts";

/** Which task of which deployment. */
export interface TaskId {
  readonly deployment: string;
  readonly partition: number;
}

/** What a checkpoint says of itself; written last, so that a checkpoint without it does not exist. */
export interface CheckpointManifest {
  readonly format: 1;
  readonly deployment: string;
  readonly partition: number;
  /** The commit at which the copy was taken. */
  readonly n: number;
  /** Everything the task needs beside its rows, as the engine wrote it (JSON). */
  readonly meta: string;
  /** Stored rows: those of the whole copy and, where it was extended, those of the changes on top of it. */
  readonly rows: number;
  readonly bytes: number;
  /** Of `bytes`: changes on top of the whole copy. Absent or 0: it is whole. */
  readonly changedBytes?: number;
  /** Of `bytes`: stored for this checkpoint alone, not taken over from another one: what it cost. */
  readonly writtenBytes: number;
  /** Of the content, hex: two checkpoints with the same one have the same rows. */
  readonly sha256: string;
  /** Epoch ms, for people and for collection; decides nothing. */
  readonly createdAtMs: number;
}

export interface CheckpointWriteOptions {
  /** Gives the write up: it rejects soon, and leaves no checkpoint. */
  readonly signal?: AbortSignal;
}

/** How far the reading of a checkpoint is. */
export interface CheckpointProgress {
  /** Stored rows that were read, and all there are (`rows` and `bytes` of the manifest). */
  readonly rows: number;
  readonly totalRows: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

export interface CheckpointReadOptions {
  readonly signal?: AbortSignal;
  /** Called now and then, synchronously. */
  readonly onProgress?: (progress: CheckpointProgress) => void;
}

/** Durable, verified copies of tasks' states. Calls of several processes for the same task do no harm. */
export interface CheckpointStore {
  /**
   * A whole copy. `rows` come in key order. Durable when it resolves. One of the same (task, n) with other content stays beside it: who
   * writes a base may have lost the task to another process already, whose base is the one that counts.
   * @throws RepriseError DISK_FULL · CHECKPOINT_FAILED; what `rows` throws, as it is
   */
  write(
    task: TaskId,
    n: number,
    meta: string,
    rows: AsyncIterable<readonly StoredRow[]>,
    options?: CheckpointWriteOptions,
  ): Promise<CheckpointManifest>;
  /**
   * The state of `onto`, changed: costs what the changes are, not what the state is. Of several changes of a row the last one counts; in any order
   * of keys. Durable when it resolves; `onto` stays as it is, and either may be removed.
   * @throws RepriseError DISK_FULL · CHECKPOINT_FAILED · CHECKPOINT_CORRUPT (`onto` is not there any more); what `changes` throws, as it is
   */
  extend(
    onto: CheckpointManifest,
    n: number,
    meta: string,
    changes: AsyncIterable<readonly RowWrite[]>,
    options?: CheckpointWriteOptions,
  ): Promise<CheckpointManifest>;
  /** Complete ones, newest n first, of one n in any order. Half-written ones are not listed. @throws RepriseError CHECKPOINT_FAILED */
  list(task: TaskId): Promise<CheckpointManifest[]>;
  /**
   * Every row once, in key order.
   * @throws RepriseError CHECKPOINT_CORRUPT at the latest when the last chunk was read, also when it is collected meanwhile · CHECKPOINT_FAILED
   */
  read(manifest: CheckpointManifest, options?: CheckpointReadOptions): AsyncIterable<readonly StoredRow[]>;
  /** It is not listed any more. Who reads it may go on for a while; then what no other checkpoint needs is deleted. */
  remove(manifest: CheckpointManifest): Promise<void>;
  removeDeployment(deployment: string): Promise<void>;
}
