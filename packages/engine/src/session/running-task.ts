import type { StateStore } from "../ports/state-store.ts";
import type { PreparedCommit, Task } from "../task/task.ts";
import type { TaskReader } from "./task-reader.ts";

/** The state at which a task goes live, on its way to the checkpoint store. The task stands still until it is durable and decided. */
export interface Base {
  readonly prepared: PreparedCommit;
  readonly startedMs: number;
  state: "writing" | "durable" | "failed";
  /** Tries that failed in a row. */
  failures: number;
  /** `failed`: when to try again. */
  retryMs: number;
}

/** A task of a session with what the session does for it. */
export interface RunningTask {
  readonly task: Task;
  readonly store: StateStore;
  readonly reader: TaskReader;
  lastFlushMs: number;
  lastCheckpointMs: number;
  lastTruncationMs: number;
  /** Checkpoints of it that were read back: see `truncateDeltas`. */
  readonly verified: Set<string>;
  /** The end of its delta partition, as it was asked for when n was decided and n + 1 not produced. */
  deltaEnd?: { readonly n: number; readonly offset: number };
  /** A checkpoint is being written in the background. */
  checkpointing: Promise<void> | undefined;
  /** While it goes live. */
  base: Base | undefined;
  /** Ends it. */
  giveUpCheckpoint?: AbortController;
  /** There is none to build on: the next one is a whole copy. */
  wholeCheckpoint?: boolean;
  /** Its store is being closed: a checkpoint that is under way fails, and nobody needs to know. */
  closing: boolean;
  /** What was found wrong with its store, which is then dropped. */
  corrupt: string | undefined;
  /** The failure was told. */
  reported: boolean;
  /** What it processed since its last commit can't be committed. */
  lost: boolean;
  /** Committed at least once in this session, so that its commit record is known to be there. */
  committed: boolean;
}
