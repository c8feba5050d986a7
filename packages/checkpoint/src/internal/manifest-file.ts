import { createHash } from "node:crypto";
import type { CheckpointManifest, TaskId } from "@reprise/engine";

/** Rows of one key range in one object, which is named by the hash of its bytes. */
export interface Segment {
  readonly sha256: string;
  readonly rows: number;
  readonly bytes: number;
}

/** Segments whose rows, one after the other, are in key order, each key once. */
export type Run = readonly Segment[];

/** What this package writes: what the engine sees of it, and where the rows are. */
export interface StoredManifest extends CheckpointManifest {
  /** Oldest first: the whole copy, then changes. Of several rows of a key the newest run's counts. */
  readonly runs: readonly Run[];
}

/** The manifest with a hash of its own: `meta` decides what a task does next, and a flipped bit in it must not. */
interface ManifestFile {
  readonly manifest: StoredManifest;
  readonly check: string;
}

export function manifestOf(task: TaskId, n: number, meta: string, runs: readonly Run[], writtenBytes: number): StoredManifest {
  const segments = runs.flat();
  const sum = (of: readonly Segment[], pick: "rows" | "bytes"): number => of.reduce((total, segment) => total + segment[pick], 0);
  const content = createHash("sha256");
  for (const run of runs) content.update(`${run.map(({ sha256 }) => sha256).join()};`);
  return {
    format: 1,
    deployment: task.deployment,
    partition: task.partition,
    n,
    meta,
    rows: sum(segments, "rows"),
    bytes: sum(segments, "bytes"),
    changedBytes: sum(runs.slice(1).flat(), "bytes"),
    writtenBytes,
    sha256: content.digest("hex"),
    createdAtMs: Date.now(),
    runs,
  };
}

export function encodeManifest(manifest: StoredManifest): Buffer {
  const file: ManifestFile = { manifest, check: hashOf(manifest) };
  return Buffer.from(`${JSON.stringify(file)}\n`);
}

/** Undefined when it is not whole, not of this format, or not what was written. */
export function decodeManifest(bytes: Uint8Array): StoredManifest | undefined {
  try {
    const { manifest, check } = JSON.parse(Buffer.from(bytes).toString("utf8")) as Partial<ManifestFile>;
    if (manifest === undefined || manifest.format !== 1 || check !== hashOf(manifest)) return undefined;
    return manifest;
  } catch {
    return undefined;
  }
}

function hashOf(manifest: StoredManifest): string {
  return createHash("sha256").update(JSON.stringify(manifest)).digest("hex");
}
