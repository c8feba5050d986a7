/** One row to write; `value` null deletes. */
export interface RowWrite {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

export interface StoredRow {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Byte order range: `from` inclusive, `to` exclusive. */
export interface KeyRange {
  readonly from?: Uint8Array;
  readonly to?: Uint8Array;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/**
 * The local, derived copy of one task's state: ordered bytes. Durable only as far as its last write; what it holds is trusted only
 * after its position and digest were compared with what Kafka says. One owner: opening it twice is refused.
 */
export interface StateStore {
  /** Synchronous point read; for the rare miss inside a handler. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** Same order and length as `keys`. */
  getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]>;
  /** All or nothing, in one atomic batch. @throws RepriseError DISK_FULL, STATE_CORRUPT */
  write(rows: readonly RowWrite[]): Promise<void>;
  /** Synchronous ordered read, bounded by the caller (map entries inside a handler, queries). */
  range(range: KeyRange): Iterable<StoredRow>;
  /** Ordered chunks of a snapshot taken at the call; writes that follow are not seen. */
  scan(range: KeyRange): AsyncIterable<readonly StoredRow[]>;
  approximateSizeBytes(): number;
  close(): Promise<void>;
}

export interface StateStoreEngine {
  readonly name: "rocksdb" | "leveldb" | "memory";
  /** Damage may hide rows without an error: a store that was just opened is to be believed only once the digest over a scan is the one that it names. */
  readonly provenByScan: boolean;
  /** Opens or creates. @throws RepriseError STATE_LOCKED, STATE_CORRUPT, STATE_OTHER_ENGINE, DISK_FULL */
  open(folder: string): Promise<StateStore>;
  /** Removes a closed store with its files; none: no error. */
  destroy(folder: string): Promise<void>;
}
