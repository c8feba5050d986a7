import { createHash } from "node:crypto";
import type { RowWrite, TaskId } from "@reprise/engine";
import { segmentPath } from "./checkpoint-paths.ts";
import type { Run, Segment } from "./manifest-file.ts";
import type { ObjectStore } from "./object-store.ts";
import { encodeRows, frameBytes } from "./row-frames.ts";

/** Small enough that some of them in memory are little, large enough that a request or an fsync each is little. */
const targetBytes = 3 << 20;
const leastBytes = 1 << 20;
const mostBytes = 8 << 20;
/** Segments on their way to the store; more are waited for, so that memory stays bounded. */
const uploads = 4;

export interface SegmentWriterOptions {
  readonly objects: ObjectStore;
  readonly task: TaskId;
  /** Segments that another checkpoint has, so that they are there and stay: they are not stored again. */
  readonly known: ReadonlySet<string>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Cuts rows in key order into segments and stores them. Where it cuts is decided by the rows alone (content-defined chunking, as in LBFS and
 * restic): a row that changed moves the cuts around it and no others, so a later copy of the same state shares its segments.
 */
export class SegmentWriter {
  readonly #options: SegmentWriterOptions;
  readonly #segments: Segment[] = [];
  readonly #known: Set<string>;
  readonly #uploads = new Set<Promise<void>>();
  readonly #stored: string[] = [];
  #storedBytes = 0;
  #failure: { readonly error: unknown } | undefined;
  #rows: RowWrite[] = [];
  #bytes = 0;

  constructor(options: SegmentWriterOptions) {
    this.#options = options;
    this.#known = new Set(options.known);
  }

  /** Stores all of it: it is durable when it resolves. Rows must not change until then. */
  async all(chunks: AsyncIterable<readonly RowWrite[]> | Iterable<readonly RowWrite[]>): Promise<Run> {
    try {
      for await (const chunk of chunks) await this.#add(chunk);
      if (this.#rows.length > 0) await this.#cut();
      await Promise.all(this.#uploads);
      this.#check();
      return this.#segments;
    } catch (error) {
      await this.#abandon();
      throw error;
    }
  }

  async #add(rows: readonly RowWrite[]): Promise<void> {
    for (const row of rows) {
      const bytes = frameBytes(row);
      this.#rows.push(row);
      this.#bytes += bytes;
      if (this.#bytes >= mostBytes || (this.#bytes >= leastBytes && cutsAfter(row, bytes))) await this.#cut();
    }
  }

  /** Of the segments that were not there already. */
  get storedBytes(): number {
    return this.#storedBytes;
  }

  /**
   * After a failure: waits for what is under way, and takes back what was stored, or a store that is full would fill up further with every try. What
   * can't be taken back, or is left because the caller must not wait, is collected as a leftover.
   */
  async #abandon(): Promise<void> {
    await Promise.all(this.#uploads);
    const { objects, signal } = this.#options;
    if (signal?.aborted !== true) await objects.remove(this.#stored).catch(() => undefined);
  }

  async #cut(): Promise<void> {
    this.#check();
    const bytes = encodeRows(this.#rows, this.#bytes);
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    this.#segments.push({ sha256, rows: this.#rows.length, bytes: bytes.length });
    this.#rows = [];
    this.#bytes = 0;
    if (this.#known.has(sha256)) return;
    this.#known.add(sha256);
    this.#storedBytes += bytes.length;
    const { objects, task, signal } = this.#options;
    const path = segmentPath(task, sha256);
    this.#stored.push(path);
    const upload = objects
      .put(path, bytes, signal)
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#uploads.delete(upload));
    this.#uploads.add(upload);
    if (this.#uploads.size >= uploads) await Promise.race(this.#uploads);
    this.#check();
  }

  #check(): void {
    this.#options.signal?.throwIfAborted();
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** As often as gives segments of `targetBytes`, by a hash of the key (FNV-1a). */
function cutsAfter({ key }: RowWrite, bytes: number): boolean {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i += 1) hash = Math.imul(hash ^ (key[i] as number), 0x01000193);
  // Its upper bits hardly depend on the last bytes of the key.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0 < (bytes / (targetBytes - leastBytes)) * 2 ** 32;
}
