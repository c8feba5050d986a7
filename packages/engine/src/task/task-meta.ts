import type { SavedOrigin } from "../route/origin-progress.ts";

/** What a task needs to go on beside its rows: the position and everything that is a function of it. The store's meta row and checkpoints hold it. */
export interface TaskMeta {
  readonly format: 1;
  readonly deployment: string;
  readonly partition: number;
  readonly mode: "building" | "live";
  readonly n: number;
  /** Next offset per input topic. */
  readonly position: { readonly [topic: string]: number };
  /** Largest event time per input topic; null before its first record. */
  readonly maxTimeMs: { readonly [topic: string]: number | null };
  /** Of rekeyed inputs, by internal topic: how far it was filled from each partition of its source. Absent: there are none. */
  readonly origins?: { readonly [topic: string]: readonly SavedOrigin[] };
  readonly streamTimeMs: number | null;
  /** Absent or null: stream time − disorder. */
  readonly watermarkMs?: number | null;
  readonly mergedTimeMs: number | null;
  /** Records of this commit that came after their turn among several inputs: a replay takes them in it, and may differ there. Absent: none. */
  readonly lateMerged?: number;
  readonly digest: string;
  readonly outputs: string;
  /** Deltas after n are at or beyond this offset of the task's delta partition. */
  readonly deltaFrom: number;
}

/** Of no rows, and of no outputs. */
export const zeroDigest = "0".repeat(32);

/** Of a task that has read nothing yet. */
export function newTaskMeta(deployment: string, partition: number, mode: TaskMeta["mode"], position: TaskMeta["position"] = {}): TaskMeta {
  const times = { maxTimeMs: {}, streamTimeMs: null, mergedTimeMs: null };
  return { format: 1, deployment, partition, mode, n: 0, position, ...times, digest: zeroDigest, outputs: zeroDigest, deltaFrom: 0 };
}

/** JSON has no infinities. */
export const finiteOrNull = (n: number): number | null => (Number.isFinite(n) ? n : null);
export const orMinusInfinity = (n: number | null | undefined): number => n ?? Number.NEGATIVE_INFINITY;

export function encodeMeta(meta: TaskMeta): Buffer {
  return Buffer.from(JSON.stringify(meta));
}

/** Undefined when the bytes are no meta row of this format. */
export function decodeMeta(bytes: Uint8Array | string): TaskMeta | undefined {
  try {
    const meta = JSON.parse(typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8")) as Partial<TaskMeta>;
    return meta.format === 1 && typeof meta.n === "number" && meta.position !== undefined ? (meta as TaskMeta) : undefined;
  } catch {
    return undefined;
  }
}
