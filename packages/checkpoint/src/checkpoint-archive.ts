import {
  type CheckpointManifest,
  type CheckpointProgress,
  type CheckpointReadOptions,
  type CheckpointStore,
  type CheckpointWriteOptions,
  failpoint,
  type RowWrite,
  type StoredRow,
  type TaskId,
} from "@reprise/engine";
import { changeRuns } from "./internal/change-runs.ts";
import { corruptError, failedError } from "./internal/checkpoint-error.ts";
import {
  deploymentFolder,
  deploymentOf,
  manifestFolder,
  manifestName,
  manifestPath,
  removedFolder,
  segmentFolder,
  segmentPath,
  taskFolder,
} from "./internal/checkpoint-paths.ts";
import { type Collected, collect, defaultGraceMs } from "./internal/collect.ts";
import { decodeManifest, encodeManifest, manifestOf, type Run, type StoredManifest } from "./internal/manifest-file.ts";
import { mergeRuns } from "./internal/merge-runs.ts";
import type { ObjectStore } from "./internal/object-store.ts";
import { RunReader } from "./internal/run-reader.ts";
import { SegmentWriter } from "./internal/segment-writer.ts";
import { runsToMerge } from "./internal/tiers.ts";

/** Segments of the whole copy that are fetched ahead, each of some megabytes; of each run of changes one is. */
const segmentsAhead = 6;
/** Looking for leftovers lists everything; there are some only after a crash. */
const sweepIntervalMs = 60 * 60_000;

export interface ArchiveOptions {
  /** How long what is not needed any more stays for those who read it, and what a writer that died left. Default 15 min. */
  readonly graceMs?: number;
}

/**
 * Checkpoints as objects: `<deployment>/<partition>/manifests/<n>-<hash>.json`, and the rows in `segments/<SHA-256 of its bytes>`. A checkpoint is
 * durable when `write` or `extend` resolves, and exists from the moment its manifest is there; segments are stored before it and never change, so
 * no order of two writers can mix their rows. What no manifest needs is collected after a time of grace.
 */
export class CheckpointArchive implements CheckpointStore {
  readonly #objects: ObjectStore;
  readonly #graceMs: number;
  /** When leftovers of dead writers were looked for, by task; by `performance.now()`. */
  readonly #sweptMs = new Map<string, number>();

  constructor(objects: ObjectStore, { graceMs = defaultGraceMs }: ArchiveOptions = {}) {
    this.#objects = objects;
    this.#graceMs = graceMs;
  }

  async write(
    task: TaskId,
    n: number,
    meta: string,
    rows: AsyncIterable<readonly StoredRow[]>,
    { signal }: CheckpointWriteOptions = {},
  ): Promise<CheckpointManifest> {
    const startedMs = performance.now();
    const known = segmentsOf((await this.#manifests(task)).values());
    const writer = new SegmentWriter({ objects: this.#objects, task, known, signal });
    const run = await writer.all(rows);
    return await this.#writeManifest(manifestOf(task, n, meta, [run], writer.storedBytes), startedMs, signal);
  }

  async extend(
    onto: CheckpointManifest,
    n: number,
    meta: string,
    changes: AsyncIterable<readonly RowWrite[]>,
    { signal }: CheckpointWriteOptions = {},
  ): Promise<CheckpointManifest> {
    const startedMs = performance.now();
    const base = await this.#stored(onto);
    let runs: readonly Run[] = base.runs;
    const known = segmentsOf([base]);
    let writtenBytes = 0;
    const write = async (rows: AsyncIterable<readonly RowWrite[]> | readonly RowWrite[][]): Promise<Run> => {
      const writer = new SegmentWriter({ objects: this.#objects, task: base, known, signal });
      const run = await writer.all(rows);
      writtenBytes += writer.storedBytes;
      return run;
    };
    for await (const run of changeRuns(changes)) {
      runs = [...runs, await write([run])];
      for (let merged = runsToMerge(runs); merged > 0; merged = runsToMerge(runs)) {
        const readers = runs.slice(-merged).map((one) => new RunReader(one, 0, { objects: this.#objects, task: base, signal }));
        runs = [...runs.slice(0, -merged), await write(mergeRuns(readers))];
      }
    }
    return await this.#writeManifest(manifestOf(base, n, meta, runs, writtenBytes), startedMs, signal);
  }

  async list(task: TaskId): Promise<StoredManifest[]> {
    const manifests = await this.#manifests(task);
    const present = new Map((await this.#objects.list(segmentFolder(task))).map(({ path, bytes }) => [path, bytes]));
    const isComplete = ({ runs }: StoredManifest): boolean =>
      runs.every((run) => run.every(({ sha256, bytes }) => present.get(segmentPath(task, sha256)) === bytes));
    return [...manifests.values()].filter(isComplete).sort((a, b) => b.n - a.n);
  }

  async *read(manifest: CheckpointManifest, { signal, onProgress }: CheckpointReadOptions = {}): AsyncGenerator<readonly StoredRow[]> {
    // One that was listed knows where its rows are, and can be read for a while after it was removed.
    const { runs } = "runs" in manifest ? (manifest as StoredManifest) : await this.#stored(manifest);
    const progress = { rows: 0, totalRows: manifest.rows, bytes: 0, totalBytes: manifest.bytes } satisfies CheckpointProgress;
    const onRead = ({ rows, bytes }: { readonly rows: number; readonly bytes: number }): void => {
      progress.rows += rows;
      progress.bytes += bytes;
      onProgress?.({ ...progress });
    };
    const options = { objects: this.#objects, task: manifest, signal, onRead };
    const readers = runs.map((run, at) => new RunReader(run, at === 0 ? segmentsAhead : 0, options));
    for await (const chunk of mergeRuns(readers)) {
      signal?.throwIfAborted();
      // The whole copy has no deletions.
      yield (runs.length === 1 ? chunk : chunk.filter(({ value }) => value !== null)) as StoredRow[];
    }
  }

  async remove(manifest: CheckpointManifest): Promise<void> {
    const path = manifestPath(manifest);
    const present = await this.#manifestAt(path);
    if (present !== undefined) {
      await this.#objects.put(`${removedFolder(manifest)}/${manifestName(manifest)}`, encodeManifest(present));
      await this.#objects.remove([path]);
    }
    const task = taskFolder(manifest);
    const leftovers = performance.now() - (this.#sweptMs.get(task) ?? Number.NEGATIVE_INFINITY) > sweepIntervalMs;
    if (leftovers) this.#sweptMs.set(task, performance.now());
    await this.collect(manifest, { leftovers });
  }

  async removeDeployment(deployment: string): Promise<void> {
    await this.#objects.removeFolder(deploymentFolder(deployment));
  }

  /** Deployments that have checkpoints. */
  async deployments(): Promise<string[]> {
    const names = (await this.#objects.folders("")).map(deploymentOf);
    return names.filter((name) => name !== undefined).sort();
  }

  /** Tasks of a deployment that have checkpoints. */
  async partitions(deployment: string): Promise<number[]> {
    const names = await this.#objects.folders(deploymentFolder(deployment));
    return names
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((a, b) => a - b);
  }

  /**
   * Everything that is there of a task under the name of a checkpoint: those whose manifest verifies, newest first, whether or not their rows are
   * there, and where the other manifests are.
   */
  async inspect(task: TaskId): Promise<{ readonly manifests: CheckpointManifest[]; readonly damaged: string[] }> {
    const found = await this.#manifests(task);
    const paths = (await this.#objects.list(manifestFolder(task))).map(({ path }) => path).filter((path) => path.endsWith(".json"));
    return {
      manifests: [...found.values()].sort((a, b) => b.n - a.n),
      damaged: paths.filter((path) => !found.has(path)).map((path) => this.#objects.address(path)),
    };
  }

  /**
   * Deletes what removed checkpoints needed and no other one needs, when they have been removed for the time of grace. `leftovers`: also what
   * belongs to no checkpoint at all and is older than that, which costs a listing of everything.
   * @throws RepriseError CHECKPOINT_FAILED
   */
  async collect(task: TaskId, options: { readonly leftovers?: boolean; readonly graceMs?: number } = {}): Promise<Collected> {
    const { leftovers = false, graceMs = this.#graceMs } = options;
    return await collect(this.#objects, task, await this.#manifests(task), { leftovers, graceMs, nowMs: Date.now() });
  }

  /** Of which the manifests verify; whether their rows are there is another question. */
  async #manifests(task: TaskId): Promise<Map<string, StoredManifest>> {
    const found = new Map<string, StoredManifest>();
    for (const { path } of await this.#objects.list(manifestFolder(task))) {
      const manifest = path.endsWith(".json") ? await this.#manifestAt(path) : undefined;
      if (manifest === undefined || manifest.deployment !== task.deployment || manifest.partition !== task.partition) continue;
      if (path === manifestPath(manifest)) found.set(path, manifest);
    }
    return found;
  }

  async #manifestAt(path: string): Promise<StoredManifest | undefined> {
    const bytes = await this.#objects.get(path);
    return bytes === undefined ? undefined : decodeManifest(bytes);
  }

  /** The manifest as it is there now. @throws RepriseError CHECKPOINT_CORRUPT */
  async #stored(manifest: CheckpointManifest): Promise<StoredManifest> {
    const path = manifestPath(manifest);
    const found = await this.#manifestAt(path);
    if (found?.sha256 !== manifest.sha256) throw corruptError(this.#objects.address(path), "its manifest is missing");
    return found;
  }

  /**
   * The last step: from here on the checkpoint exists. What it took over from others stays for the time of grace at least, whoever removes them
   * meanwhile; a write that took longer looks whether it is all there, since it must not be what the next one builds on otherwise.
   */
  async #writeManifest(manifest: StoredManifest, startedMs: number, signal: AbortSignal | undefined): Promise<StoredManifest> {
    signal?.throwIfAborted();
    const path = manifestPath(manifest);
    failpoint("checkpoint-rows-stored");
    await this.#objects.put(path, encodeManifest(manifest), signal);
    if (performance.now() - startedMs < this.#graceMs) return manifest;
    if ((await this.list(manifest)).some(({ n, sha256 }) => n === manifest.n && sha256 === manifest.sha256)) return manifest;
    await this.#objects.remove([path]);
    throw failedError(this.#objects.address(path), "writing it", "what it builds on was removed meanwhile");
  }
}

function segmentsOf(manifests: Iterable<StoredManifest>): Set<string> {
  const names = new Set<string>();
  for (const { runs } of manifests) for (const run of runs) for (const { sha256 } of run) names.add(sha256);
  return names;
}
