import type { CheckpointProgress } from "../ports/checkpoint-store.ts";

/** What a worker says of itself on the status topic, key `worker/<deployment>/<slot>`, about once a second. Null value: it left. */
export interface WorkerAnnouncement {
  readonly format: 1;
  readonly kind: "worker";
  readonly deployment: string;
  readonly slot: number;
  /** `http://127.0.0.1:PORT`: /healthz, /metrics, /views. */
  readonly url: string;
  readonly pid: number;
  /** What its local stores are made of; absent: a worker of a release that did not say. */
  readonly stateEngine?: string;
  /** Partitions of the lead input that it runs. */
  readonly tasks: readonly number[];
  readonly atMs: number;
  /** Set when a task has stopped for good: the error's code and message, which name the thing. */
  readonly failures: readonly { readonly partition: number; readonly code: string; readonly message: string }[];
  /** Tasks whose last checkpoint failed; it is tried again, and processing goes on. Absent: none. */
  readonly checkpointFailures?: readonly CheckpointFailure[];
  /** Tasks that are being made out of a checkpoint. Absent: none. */
  readonly restoring?: readonly RestoreProgress[];
  /** What came after its window was over since the worker opened its tasks; absent: nothing, or a worker of a release that did not say. */
  readonly late?: readonly LateRange[];
}

/** Since when a task has no new checkpoint, and why. */
export interface CheckpointFailure {
  readonly partition: number;
  readonly code: string;
  readonly message: string;
  /** The first one in a row, epoch ms. */
  readonly sinceMs: number;
  readonly failures: number;
}

export interface RestoreProgress extends CheckpointProgress {
  readonly partition: number;
}

/** Contributions that came after their window was over, by window: what there is to replay. */
export interface LateRange {
  readonly window: string;
  readonly how: "drop" | "dead-letter" | "handle";
  readonly records: number;
  /** Smallest and largest event time among them, epoch ms. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Of the lead input: the tasks that they came to. */
  readonly partitions: readonly number[];
}

/** What the leading controller says of itself, key `controller`. */
export interface ControllerAnnouncement {
  readonly format: 1;
  readonly kind: "controller";
  readonly url: string;
  readonly pid: number;
  readonly atMs: number;
}

/**
 * Answer of a worker's `GET /views/:view/:key` (and of the gateway): `value` for value views, `entries` or `rows` for ranges. 404 with code
 * NOT_FOUND when the key has no row; 421 with `partition` when another worker owns the key.
 */
export interface ViewAnswer {
  readonly value?: unknown;
  readonly entries?: readonly (readonly [unknown, unknown])[];
  readonly rows?: readonly { readonly value: unknown; readonly start: number; readonly end: number }[];
  readonly deployment: string;
  readonly version: number;
  /** The task (partition of the lead input) that owns the key, its commit number and position. */
  readonly task: number;
  readonly n: number;
  readonly position: { readonly [topic: string]: number };
}
