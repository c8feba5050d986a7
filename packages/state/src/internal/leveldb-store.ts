import type { KeyRange, RowWrite, StateStore, StoredRow } from "@reprise/engine";
import type { ClassicLevel, Iterator } from "classic-level";
import { checkRows } from "./check-rows.ts";
import { isEmptyRange, rangeLimit } from "./key-order.ts";
import { NativeStore } from "./native-store.ts";
import type { RangeThread, ThreadRange } from "./range-thread.ts";
import { seal, unseal } from "./row-seal.ts";

export type LevelDb = ClassicLevel<Uint8Array, Uint8Array>;

type LevelIterator = Iterator<LevelDb, Uint8Array, Uint8Array>;

const firstRangeRows = 32;
const rowsPerRead = 1_000;
/** Bounds a chunk of a scan, as RocksDB's. */
const chunkBytes = 1 << 20;

/** An open LevelDB. Its values are sealed (see `row-seal.ts`), because it gives back what a disk makes of a block without looking at the checksum. */
export class LevelDbStore extends NativeStore implements StateStore {
  readonly #db: LevelDb;
  readonly #ranges: RangeThread;
  readonly #cacheBytes: number;
  readonly #scans = new Set<LevelIterator>();
  #writtenBytes = 0;

  /** @param released see NativeStore */
  constructor(folder: string, db: LevelDb, ranges: RangeThread, cacheBytes: number, released: () => Promise<void>) {
    super(folder, released);
    this.#db = db;
    this.#ranges = ranges;
    this.#cacheBytes = cacheBytes;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.checkOpen();
    return this.guard("reading", () => {
      const sealed = this.#db.getSync(key);
      return sealed === undefined ? undefined : unseal(key, sealed, this.folder);
    });
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.checkOpen();
    if (keys.length === 0) return [];
    const found = await this.track(this.#db.getMany(keys as Uint8Array[])).catch((error: unknown) => {
      throw this.failure(error, "reading");
    });
    return this.guard("reading", () =>
      found.map((sealed, at) => (sealed === undefined ? undefined : unseal(keys[at] as Uint8Array, sealed, this.folder))),
    );
  }

  /**
   * Resolves when the rows are in the log as the operating system has it, without an fsync: see RocksDB's. Written by a thread of the pool; until it
   * resolves reads see none of it or all.
   */
  async write(rows: readonly RowWrite[]): Promise<void> {
    this.checkOpen();
    if (rows.length === 0) return;
    checkRows(rows);
    let bytes = 0;
    const operations = rows.map(({ key, value }) => {
      bytes += key.length + (value?.length ?? 0);
      return value === null ? ({ type: "del", key } as const) : ({ type: "put", key, value: seal(key, value) } as const);
    });
    await this.track(this.#db.batch(operations, { sync: false })).catch((error: unknown) => {
      throw this.failure(error, "writing");
    });
    this.#writtenBytes += bytes;
  }

  *range(range: KeyRange): Iterable<StoredRow> {
    this.checkOpen();
    let left = rangeLimit(range);
    if (left === 0 || isEmptyRange(range)) return;
    const reverse = range.reverse ?? false;
    let bounds = boundsOf(range);
    for (let size = firstRangeRows; left > 0; size = rowsPerRead) {
      this.checkOpen();
      const limit = Math.min(size, left);
      const request: ThreadRange = { ...bounds, reverse, limit, highWaterMarkBytes: chunkBytes };
      const rows = this.guard("reading a range", () => this.#read(request, limit));
      for (const row of rows) yield row;
      const last = rows.at(-1);
      // A short answer is the end, unless it is one that grew too large.
      if (last === undefined || (rows.length < limit && sizeOf(rows) < chunkBytes / 2)) return;
      left -= rows.length;
      bounds = reverse ? { ...bounds, lt: last.key } : { ...(bounds.lt === undefined ? {} : { lt: bounds.lt }), gt: last.key };
    }
  }

  #read(request: ThreadRange, size: number): StoredRow[] {
    const rows = this.#ranges.read(this.#db.location, this.#cacheBytes, request, size);
    return rows.map(({ key, value }) => ({ key, value: unseal(key, value, this.folder) }));
  }

  scan(range: KeyRange): AsyncIterable<readonly StoredRow[]> {
    this.checkOpen();
    const limit = rangeLimit(range);
    if (limit === 0 || isEmptyRange(range)) return this.#chunks(undefined);
    return this.#chunks(
      this.guard("opening an iterator", () => {
        // Here and not in the generator: its body would start with the first read, and the snapshot is of now.
        const bounded = Number.isFinite(limit) ? limit : -1;
        const reading = { reverse: range.reverse ?? false, limit: bounded, highWaterMarkBytes: chunkBytes, fillCache: false };
        const iterator = this.#db.iterator({ ...boundsOf(range), ...reading });
        this.#scans.add(iterator);
        return iterator;
      }),
    );
  }

  async *#chunks(iterator: LevelIterator | undefined): AsyncGenerator<readonly StoredRow[]> {
    if (iterator === undefined) return;
    try {
      while (true) {
        this.checkOpen();
        const entries = await this.track(iterator.nextv(rowsPerRead)).catch((error: unknown) => {
          throw this.failure(error, "scanning");
        });
        if (entries.length === 0) return;
        yield this.guard("scanning", () => entries.map(([key, sealed]) => ({ key, value: unseal(key, sealed, this.folder) })));
      }
    } finally {
      if (this.#scans.delete(iterator)) void this.track(iterator.close());
    }
  }

  /** Of the table files, and of what was written since it was opened, as long as the log can't hold more of it. */
  approximateSizeBytes(): number {
    this.checkOpen();
    const files = this.#db
      .getProperty("leveldb.sstables")
      .split("\n")
      .reduce((sum, line) => sum + Number(/^\s*\d+:(\d+)\[/.exec(line)?.[1] ?? 0), 0);
    return files + Math.min(this.#writtenBytes, Number(this.#db.getProperty("leveldb.approximate-memory-usage")));
  }

  protected letGo(): void {
    for (const scan of this.#scans) void this.track(scan.close());
    this.#scans.clear();
  }

  protected async closeFiles(): Promise<void> {
    this.#ranges.close(this.#db.location);
    await this.#db.close();
  }
}

/** Somewhat less than what classic-level counts, which has the seals, too. */
const sizeOf = (rows: readonly StoredRow[]): number => rows.reduce((sum, { key, value }) => sum + key.length + value.length, 0);

function boundsOf({ from, to }: KeyRange): { readonly gt?: Uint8Array; readonly gte?: Uint8Array; readonly lt?: Uint8Array } {
  return { ...(from === undefined || from.length === 0 ? {} : { gte: from }), ...(to === undefined ? {} : { lt: to }) };
}
