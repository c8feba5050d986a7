import type { KeyRange, RowWrite, StateStore, StoredRow } from "@reprise/engine";
import { checkRows } from "./check-rows.ts";
import { isEmptyRange, rangeLimit } from "./key-order.ts";
import { NativeStore } from "./native-store.ts";
import type { RocksBatch, RocksIterator, RocksLevel } from "./rocks-level.ts";

/** Keys per synchronous multi-get: about 2 ms, after which others get the event loop. */
const keysPerRead = 512;
/** Rows per read of an iterator; the first read of a range is small, since most ranges are (the entries of one map). */
const firstRangeRows = 32;
const rowsPerRead = 1_000;
/** Bounds a chunk of a scan: 1,000 rows of 1 MB would be a gigabyte. */
const chunkBytes = 1 << 20;
/** A batch keeps its memory for the next one, up to here. */
const keptBatchBytes = 16 << 20;

/** An open RocksDB. */
export class RocksDbStore extends NativeStore implements StateStore {
  readonly #db: RocksLevel;
  readonly #iterators = new Set<RocksIterator>();
  #batch: RocksBatch | undefined;

  /** @param released see NativeStore */
  constructor(folder: string, db: RocksLevel, released: () => Promise<void>) {
    super(folder, released);
    this.#db = db;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#readSync([key])[0];
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    if (keys.length <= keysPerRead) return this.#readSync(keys);
    const values: (Uint8Array | undefined)[] = [];
    for (let at = 0; at < keys.length; at += keysPerRead) {
      if (at > 0) await new Promise(setImmediate);
      for (const value of this.#readSync(keys.slice(at, at + keysPerRead))) values.push(value);
    }
    return values;
  }

  /**
   * Resolves when the rows are in the write-ahead log as the operating system has it, without an fsync: a killed process loses
   * nothing, a machine that loses power loses the newest batches, whole. That is enough, because the store is derived: on opening,
   * its position is compared with Kafka's, and what is missing comes from the deltas. An fsync would cost 1 to 20 ms a commit.
   * Blocks the event loop: about 2 us a row (100,000 rows of 100 B: 190 ms).
   */
  async write(rows: readonly RowWrite[]): Promise<void> {
    this.checkOpen();
    if (rows.length === 0) return;
    checkRows(rows);
    const batch = (this.#batch ??= this.#db.batch());
    let bytes = 0;
    try {
      for (const { key, value } of rows) {
        if (value === null) batch._del(key);
        else batch._put(key, value);
        bytes += key.length + (value?.length ?? 0);
      }
      batch._writeSync({ sync: false });
    } catch (error) {
      throw this.failure(error, "writing");
    } finally {
      batch._clear();
      if (bytes > keptBatchBytes) {
        this.#batch = undefined;
        await this.track(batch.close());
      }
    }
  }

  *range(range: KeyRange): Iterable<StoredRow> {
    // Few rows, which are read again soon: their blocks go to the cache. Reading ahead in the background is for scans.
    const iterator = this.#iterate(range, { fillCache: true, asyncIO: false });
    if (iterator === undefined) return;
    try {
      for (let size = firstRangeRows; ; size = rowsPerRead) {
        this.checkOpen();
        const { rows, finished } = this.guard("reading a range", () => iterator._nextvSync(size));
        for (let at = 0; at < rows.length; at += 2) yield rowAt(rows, at);
        if (finished) return;
      }
    } finally {
      this.#closeIterator(iterator);
    }
  }

  scan(range: KeyRange): AsyncIterable<readonly StoredRow[]> {
    // Here and not in the generator: its body would start with the first read, and the snapshot is of now.
    const iterator = this.#iterate(range, { fillCache: false, asyncIO: true });
    return this.#chunks(iterator);
  }

  approximateSizeBytes(): number {
    this.checkOpen();
    return Number(this.#db.getProperty("rocksdb.total-sst-files-size")) + Number(this.#db.getProperty("rocksdb.cur-size-all-mem-tables"));
  }

  protected letGo(): void {
    for (const iterator of this.#iterators) this.#closeIterator(iterator);
    if (this.#batch !== undefined) void this.track(this.#batch.close());
  }

  protected closeFiles(): Promise<void> {
    return this.#db.close();
  }

  async *#chunks(iterator: RocksIterator | undefined): AsyncGenerator<readonly StoredRow[]> {
    if (iterator === undefined) return;
    try {
      while (true) {
        this.checkOpen();
        const { rows, finished } = await this.track(iterator._nextvAsync(rowsPerRead, {})).catch((error: unknown) => {
          throw this.failure(error, "scanning");
        });
        const chunk: StoredRow[] = [];
        for (let at = 0; at < rows.length; at += 2) chunk.push(rowAt(rows, at));
        if (chunk.length > 0) yield chunk;
        if (finished) return;
      }
    } finally {
      this.#closeIterator(iterator);
    }
  }

  #readSync(keys: readonly Uint8Array[]): (Uint8Array | undefined)[] {
    this.checkOpen();
    if (keys.length === 0) return [];
    // `null` would mean a read that was cut off by a limit; none is set.
    return this.guard("reading", () => this.#db._getManySync(keys)).map((value) => value ?? undefined);
  }

  #iterate(range: KeyRange, reading: { readonly fillCache: boolean; readonly asyncIO: boolean }): RocksIterator | undefined {
    this.checkOpen();
    const limit = rangeLimit(range);
    if (limit === 0 || isEmptyRange(range)) return undefined;
    const iterator = this.guard("opening an iterator", () =>
      this.#db.iterator({
        ...(range.from === undefined || range.from.length === 0 ? {} : { gte: range.from }),
        ...(range.to === undefined ? {} : { lt: range.to }),
        reverse: range.reverse ?? false,
        limit: limit > 0x7fffffff ? -1 : limit,
        highWaterMarkBytes: chunkBytes,
        ...reading,
      }),
    );
    this.#iterators.add(iterator);
    return iterator;
  }

  #closeIterator(iterator: RocksIterator): void {
    if (this.#iterators.delete(iterator)) void this.track(iterator.close());
  }
}

function rowAt(rows: readonly Uint8Array[], at: number): StoredRow {
  return { key: rows[at] as Uint8Array, value: rows[at + 1] as Uint8Array };
}
