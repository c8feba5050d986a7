import type { StoredRow } from "./state-store.ts";

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
  readonly rows: number;
  readonly bytes: number;
  /** SHA-256 of the row file, hex. */
  readonly sha256: string;
  /** Epoch ms, for people and for collection; decides nothing. */
  readonly createdAtMs: number;
}

/** Durable, verified copies of tasks' states. */
export interface CheckpointStore {
  /**
   * Durable (fsynced) when it resolves. One of the same (task, n) with other content stays beside it: who writes a base may have lost the task to
   * another process already, whose base is the one that counts. @throws RepriseError DISK_FULL
   */
  write(task: TaskId, n: number, meta: string, rows: AsyncIterable<readonly StoredRow[]>): Promise<CheckpointManifest>;
  /** Complete ones, newest n first, of one n in any order. Half-written ones are not listed. */
  list(task: TaskId): Promise<CheckpointManifest[]>;
  /** @throws RepriseError CHECKPOINT_CORRUPT at the latest when the last chunk was read */
  read(manifest: CheckpointManifest): AsyncIterable<readonly StoredRow[]>;
  remove(manifest: CheckpointManifest): Promise<void>;
  removeDeployment(deployment: string): Promise<void>;
}
