import { createHash } from "node:crypto";
import type { RowWrite, TaskId } from "@reprise/engine";
import { corruptError } from "./checkpoint-error.ts";
import { segmentPath } from "./checkpoint-paths.ts";
import type { Run, Segment } from "./manifest-file.ts";
import type { ObjectStore } from "./object-store.ts";
import { decodeRows } from "./row-frames.ts";

export interface RunReaderOptions {
  readonly objects: ObjectStore;
  readonly task: TaskId;
  readonly signal?: AbortSignal | undefined;
  /** Told of each segment that was read and verified. */
  readonly onRead?: ((segment: Segment) => void) | undefined;
}

/**
 * Reads a run in order, some segments ahead: one is fetched while others are verified and merged. `rows` from `at` on are what is to come;
 * none: it has ended.
 */
export class RunReader {
  rows: readonly RowWrite[] = [];
  at = 0;
  readonly #options: RunReaderOptions;
  readonly #run: Run;
  readonly #ahead: number;
  readonly #fetched: Promise<Buffer>[] = [];
  #next = 0;
  #taken = 0;

  /** @param ahead segments in memory beside the one that is merged */
  constructor(run: Run, ahead: number, options: RunReaderOptions) {
    this.#run = run;
    this.#ahead = ahead;
    this.#options = options;
  }

  get ended(): boolean {
    return this.at >= this.rows.length;
  }

  get row(): RowWrite {
    return this.rows[this.at] as RowWrite;
  }

  /** Goes beyond the row; reads the next segment when this one is used up. To be awaited only when it gives a promise: most rows need none. */
  advance(): Promise<void> | undefined {
    this.at += 1;
    return this.at < this.rows.length ? undefined : this.nextSegment();
  }

  /** @throws RepriseError CHECKPOINT_CORRUPT */
  async nextSegment(): Promise<void> {
    this.rows = [];
    this.at = 0;
    while (this.#next < this.#run.length && this.#fetched.length <= this.#ahead) this.#fetch(this.#run[this.#next++] as Segment);
    const fetching = this.#fetched.shift();
    if (fetching === undefined) return;
    const segment = this.#run[this.#taken++] as Segment;
    const bytes = await fetching;
    this.rows = this.#decode(segment, bytes);
    this.#options.onRead?.(segment);
  }

  #fetch(segment: Segment): void {
    const { objects, task, signal } = this.#options;
    const path = segmentPath(task, segment.sha256);
    const fetching = objects.get(path, signal).then((bytes) => {
      if (bytes === undefined) throw corruptError(objects.address(path), "it is missing");
      return bytes;
    });
    // Whoever gives the reading up does not wait for it.
    fetching.catch(() => undefined);
    this.#fetched.push(fetching);
  }

  #decode(segment: Segment, bytes: Buffer): RowWrite[] {
    const { objects, task } = this.#options;
    const address = objects.address(segmentPath(task, segment.sha256));
    if (bytes.length !== segment.bytes) throw corruptError(address, `it has ${bytes.length} bytes instead of ${segment.bytes}`);
    if (createHash("sha256").update(bytes).digest("hex") !== segment.sha256) throw corruptError(address, "its hash is not its name");
    const rows = decodeRows(bytes);
    if (rows === undefined || rows.length !== segment.rows) throw corruptError(address, "its rows are not what the manifest says");
    return rows;
  }
}
