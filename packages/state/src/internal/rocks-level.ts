import { loadNative } from "./load-native.ts";

/**
 * The part of @nxtedition/rocksdb that Reprise uses, as read in the sources of the pinned release; the package has no types. What
 * is left out is left out on purpose:
 * - `db.batch(array)` never lets go of its native batch (200 batches of 2 MB: 559 MB resident, 155 MB with one batch reused);
 * - `db.getMany()` throws outside of its promise when a block is corrupt, which ends the process; the synchronous one throws properly;
 * - `db.close()` during a `getMany()` reports success without closing.
 */
export interface RocksLevel {
  open(): Promise<void>;
  close(): Promise<void>;
  /** One native batch; to be reused. */
  batch(): RocksBatch;
  /** A snapshot of the moment of the call. */
  iterator(options: RocksIteratorOptions): RocksIterator;
  _getManySync(keys: readonly Uint8Array[]): (Uint8Array | undefined | null)[];
  getProperty(name: string): string;
}

export interface RocksBatch {
  _put(key: Uint8Array, value: Uint8Array): void;
  _del(key: Uint8Array): void;
  /** Blocks until the rows are in the write-ahead log and the memtable. */
  _writeSync(options: { readonly sync: boolean }): void;
  _clear(): void;
  close(): Promise<void>;
}

export interface RocksIteratorOptions {
  readonly gte?: Uint8Array;
  readonly lt?: Uint8Array;
  readonly reverse: boolean;
  /** -1: without end. */
  readonly limit: number;
  /** A chunk ends with the row that exceeds this. */
  readonly highWaterMarkBytes: number;
  /** Whether blocks that are read stay in the block cache. */
  readonly fillCache: boolean;
  readonly asyncIO: boolean;
}

/** Keys and values in turn. */
export interface RocksRows {
  readonly rows: readonly Uint8Array[];
  readonly finished: boolean;
}

export interface RocksIterator {
  _nextvSync(size: number): RocksRows;
  _nextvAsync(size: number, options: object): Promise<RocksRows>;
  close(): Promise<void>;
}

export interface RocksLevelOptions {
  readonly keyEncoding: "buffer";
  readonly valueEncoding: "buffer";
  readonly createIfMissing: boolean;
  readonly compaction: "level";
  readonly memtableMemoryBudget: number;
  readonly cacheSize: number;
  readonly walCompression: boolean;
  readonly parallelism: number;
}

interface RocksModule {
  readonly RocksLevel: new (location: string, options: RocksLevelOptions) => RocksLevel;
}

/** Loads the native code. @throws RepriseError ENGINE_MISSING */
export function loadRocks(): RocksModule {
  return loadNative("@nxtedition/rocksdb", "rocksdb") as RocksModule;
}
