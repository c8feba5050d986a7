import { latin1 } from "../internal/latin1.ts";
import type { RowWrite, StateStore, StoredRow } from "../ports/state-store.ts";
import { addDigest, type Digest128, subtractDigest } from "./digest.ts";
import { KeyEntry } from "./key-entry.ts";
import { keyHash, sameBytes } from "./key-hash.ts";
import { Row } from "./row.ts";
import { decodeRows, RowBuffer } from "./row-buffer.ts";
import { parseRowKey, prefixRange, rowKey, rowPrefix } from "./row-key.ts";
import { IdCursor, SortedIds } from "./sorted-ids.ts";

/** Entries found by span at a time: a power of two. */
const spanSlots = 8192;

/** Cached entries of maps, per cached key on the average. */
const mapRowsPerKey = 8;

/** How a slot's rows are kept. `single`: one row per key. `windows`: all of a key are loaded with it. `entries`: loaded one by one. */
export type SlotKind = "single" | "windows" | "entries";

export interface SlotCodec {
  readonly kind: SlotKind;
  encode(value: unknown): Uint8Array;
  decode(bytes: Buffer): unknown;
}

/** Which rows of a key, by their subkeys: `from` inclusive, `to` exclusive. */
export interface SubkeyRange {
  readonly from?: Buffer | undefined;
  readonly to?: Buffer | undefined;
  readonly reverse?: boolean | undefined;
}

/** A row as a range read gives it. */
export interface RangeRow {
  readonly subkey: Buffer;
  readonly value: unknown;
}

export interface TaskStateOptions {
  readonly store: StateStore;
  readonly slots: readonly SlotCodec[];
  readonly decodeKey: (bytes: Buffer) => unknown;
  /** Seed of row hashes: the task's partition, so that a row in the wrong task shows. */
  readonly seed: number;
  /** Keys kept decoded. Dirty and unsaved ones stay beyond it until they are written. */
  readonly maxKeys: number;
  /** The same, of rows as they are encoded. */
  readonly maxBytes: number;
}

/** The rows that one commit changes, encoded. */
export interface PreparedRows {
  /** See RowBuffer. Valid until the next `prepare`. */
  readonly bytes: Buffer;
  readonly count: number;
}

/**
 * The keyed state of one task: a bounded write-back cache of decoded rows above its store. Handlers change rows (`set`), a record can be undone
 * (`mark`/`undo`), a commit encodes what changed (`prepare`), is taken over (`fold`) and reaches the store later (`flush`).
 */
export class TaskState {
  readonly digest: Digest128 = new Uint32Array(4);
  /** Point reads answered from the cache, and those that went to the store. */
  hits = 0;
  misses = 0;
  private readonly options: TaskStateOptions;
  /** Slots of the kind `entries`. */
  private readonly mapSlots: readonly number[];
  private readonly entries = new Map<string, KeyEntry>();
  /** Rows of `mapSlots` in the cache, so that a commit need not count them. May be too high, after rows were made for a key that was evicted. */
  private mapRows = 0;
  /** Of all cached rows. */
  private bytes = 0;
  private unsaved = 0;
  /** Of a changed row, on the average of the last commit that changed some. */
  private meanRowBytes = 64;
  private dirtyRows: Row[] = [];
  private preparedRows: Row[] = [];
  private unsavedRows: Row[] = [];
  /** What can be undone: the first `journaled` of these. The arrays only grow; setting their length for each record would cost more than the rest. */
  private readonly journalRows: Row[] = [];
  private readonly journalValues: unknown[] = [];
  private journaled = 0;
  /** Direct-mapped by hash: finds the entry of a key's span without making a string. */
  private readonly bySpan: (KeyEntry | undefined)[] = Array.from({ length: spanSlots }, () => undefined);
  private readonly scratch = new RowBuffer(1024);
  /** Nothing was ever written to the store: no key needs to be looked up. */
  private storeIsEmpty: boolean;

  constructor(options: TaskStateOptions, storeIsEmpty: boolean) {
    this.options = options;
    this.mapSlots = options.slots.flatMap(({ kind }, slot) => (kind === "entries" ? [slot] : []));
    this.storeIsEmpty = storeIsEmpty;
  }

  get cachedKeys(): number {
    return this.entries.size;
  }

  get changedRows(): number {
    return this.dirtyRows.length;
  }

  get cachedBytes(): number {
    return this.bytes;
  }

  /** Of what changed since the last commit, about: it is not encoded yet. */
  get changedBytes(): number {
    return this.dirtyRows.length * this.meanRowBytes;
  }

  get unsavedCount(): number {
    return this.unsavedRows.length;
  }

  /** Of `unsavedCount` rows, encoded. */
  get unsavedBytes(): number {
    return this.unsaved;
  }

  /** The entry of a key; made when it is not cached, and then perhaps not loaded: see `load`. */
  entry(id: string): KeyEntry {
    const found = this.cached(id);
    if (found !== undefined) return found;
    const bytes = Buffer.from(id, "latin1");
    return this.add(new KeyEntry(id, bytes, keyHash(bytes, 0, bytes.length), this.options.decodeKey(bytes)));
  }

  /** The entry of a key of a table that has keys of its own: one row, in that slot. @param bytes copied when they are kept */
  tableEntry(slot: number, bytes: Buffer): KeyEntry {
    // No key of the processor's begins like this: theirs are bytes.
    const id = `\u0100${slot}:${latin1(bytes)}`;
    return this.cached(id) ?? this.add(new KeyEntry(id, Buffer.from(bytes), 0, undefined, slot));
  }

  private cached(id: string): KeyEntry | undefined {
    const found = this.entries.get(id);
    if (found === undefined) {
      this.misses++;
      return undefined;
    }
    found.touched = true;
    this.hits++;
    return found;
  }

  private add(entry: KeyEntry): KeyEntry {
    if (this.storeIsEmpty) {
      entry.loaded = true;
      entry.complete = true;
    }
    this.entries.set(entry.id, entry);
    return entry;
  }

  /** The same for a key that stands in a buffer. */
  entryAt(bytes: Buffer, start: number, length: number): KeyEntry {
    const hash = keyHash(bytes, start, length);
    const slot = hash & (spanSlots - 1);
    const candidate = this.bySpan[slot];
    if (candidate !== undefined && candidate.hash === hash && !candidate.evicted && sameBytes(candidate.bytes, bytes, start, length)) {
      candidate.touched = true;
      this.hits++;
      return candidate;
    }
    const entry = this.entry(latin1(bytes, start, start + length));
    this.bySpan[slot] = entry;
    return entry;
  }

  /** The cached entry, or undefined; touches nothing. For queries. */
  peek(id: string): KeyEntry | undefined {
    return this.entries.get(id);
  }

  /** Loads what a handler may need of these keys: single rows in one multi-get, windows and timers by range. */
  async load(entries: readonly KeyEntry[]): Promise<void> {
    const keys: Buffer[] = [];
    const rows: Row[] = [];
    // A key may occur often in a batch. It counts as loaded only at the end: until then queries have to ask the store.
    const missing = new Set(entries);
    for (const entry of missing) {
      if (entry.loaded) missing.delete(entry);
      else
        this.options.slots.forEach((slot, index) => {
          if (entry.ofSlot !== undefined && entry.ofSlot !== index) return;
          if (slot.kind === "single") {
            keys.push(rowPrefix(index, entry.bytes));
            rows.push(this.single(entry, index));
          } else if (slot.kind === "windows") this.loadRange(entry, index);
        });
    }
    if (keys.length > 0) {
      const values = await this.options.store.getMany(keys);
      values.forEach((value, i) => {
        if (value !== undefined) this.place(rows[i] as Row, keys[i] as Buffer, value);
      });
    }
    for (const entry of missing) entry.loaded = true;
  }

  /** The same for one key, synchronously: a timer or window of a key that is not cached is due. */
  loadNow(entry: KeyEntry): void {
    if (entry.loaded) return;
    this.options.slots.forEach((slot, index) => {
      if (entry.ofSlot !== undefined && entry.ofSlot !== index) return;
      if (slot.kind === "single") {
        const key = rowPrefix(index, entry.bytes);
        const value = this.options.store.get(key);
        if (value !== undefined) this.place(this.single(entry, index), key, value);
      } else if (slot.kind === "windows") this.loadRange(entry, index);
    });
    entry.loaded = true;
  }

  single(entry: KeyEntry, slot: number): Row {
    let row = entry.single[slot];
    if (row === undefined) {
      row = new Row(entry, slot, undefined);
      entry.single[slot] = row;
    }
    return row;
  }

  rowsOf(entry: KeyEntry, slot: number): Map<string, Row> {
    let rows = entry.many[slot];
    if (rows === undefined) {
      rows = new Map();
      entry.many[slot] = rows;
    }
    return rows;
  }

  /** A row with a subkey; read from the store when it may be there and is not cached. */
  row(entry: KeyEntry, slot: number, id: string): Row {
    const rows = this.rowsOf(entry, slot);
    let row = rows.get(id);
    if (row !== undefined) return row;
    row = this.newRow(entry, slot, id);
    if (!entry.complete && (this.options.slots[slot] as SlotCodec).kind === "entries") {
      const key = rowKey(slot, entry.bytes, row.subkey);
      const value = this.options.store.get(key);
      this.misses++;
      if (value !== undefined) this.place(row, key, value);
    }
    return row;
  }

  /** A row that is not in the store unless it is cached: for who knows that, as a list knows it of its next item. */
  unstoredRow(entry: KeyEntry, slot: number, id: string): Row {
    return this.rowsOf(entry, slot).get(id) ?? this.newRow(entry, slot, id);
  }

  private newRow(entry: KeyEntry, slot: number, id: string): Row {
    const row = new Row(entry, slot, Buffer.from(id, "latin1"));
    this.rowsOf(entry, slot).set(id, row);
    if ((this.options.slots[slot] as SlotCodec).kind === "entries") this.mapRows++;
    entry.sortedIds?.[slot]?.add(id);
    return row;
  }

  set(row: Row, value: unknown): void {
    this.journalRows[this.journaled] = row;
    this.journalValues[this.journaled++] = row.value;
    row.value = value;
    if (!row.dirty) {
      row.dirty = true;
      row.entry.pins++;
      this.dirtyRows.push(row);
    }
  }

  /** Everything before this can't be undone any more. */
  mark(): void {
    this.journaled = 0;
  }

  /** Names this moment for `undo`; valid until `mark`. */
  get savepoint(): number {
    return this.journaled;
  }

  /** Takes back every `set` since the savepoint; without one: since `mark`. */
  undo(savepoint = 0): void {
    for (let i = this.journaled - 1; i >= savepoint; i--) (this.journalRows[i] as Row).value = this.journalValues[i];
    this.journaled = savepoint;
  }

  /**
   * Encodes what changed since the last commit into `buffer`, and moves the digest to the state after it. Not before the former one was folded: a row has
   * one value that is being committed.
   */
  prepare(buffer: RowBuffer): PreparedRows {
    const start = buffer.length;
    const rowsBefore = buffer.rows;
    const kept: Row[] = [];
    for (const row of this.dirtyRows) {
      if (row.value === row.committed) {
        this.clean(row);
        continue;
      }
      kept.push(row);
      this.encodeRow(row, buffer);
      // Handlers may go on at once: what they change from here on belongs to the next commit. The pin goes along.
      row.dirty = false;
      row.undecided = true;
      row.prepared = row.value;
    }
    this.dirtyRows = [];
    this.preparedRows = kept;
    if (kept.length > 0) this.meanRowBytes = (buffer.length - start) / kept.length;
    return { bytes: buffer.bytes.subarray(start, buffer.length), count: buffer.rows - rowsBefore };
  }

  private encodeRow(row: Row, buffer: RowBuffer): void {
    const { digest } = this;
    if (row.counted) subtractDigest(digest, [row.hash0, row.hash1, row.hash2, row.hash3]);
    const at = buffer.beginRow(row.slot, row.entry.bytes, row.subkey);
    if (row.value === undefined) {
      buffer.endRow(null);
      row.counted = false;
      this.resize(row, 0);
      return;
    }
    buffer.endRow((this.options.slots[row.slot] as SlotCodec).encode(row.value));
    this.resize(row, buffer.length - at);
    this.count(row, buffer.hashRow(at, this.options.seed));
  }

  private resize(row: Row, bytes: number): void {
    const more = bytes - row.bytes;
    row.bytes = bytes;
    row.entry.cachedBytes += more;
    if (!row.entry.evicted) this.bytes += more;
  }

  private count(row: Row, hash: Uint32Array): void {
    row.hash0 = hash[0] as number;
    row.hash1 = hash[1] as number;
    row.hash2 = hash[2] as number;
    row.hash3 = hash[3] as number;
    row.counted = true;
    addDigest(this.digest, hash);
  }

  /** The prepared commit was decided: it is what queries see, and what waits for the store. */
  fold(): void {
    for (const row of this.preparedRows) {
      row.committed = row.prepared;
      row.prepared = undefined;
      row.undecided = false;
      if (row.unsaved) row.entry.pins--;
      else {
        row.unsaved = true;
        this.unsaved += row.bytes;
        this.unsavedRows.push(row);
      }
    }
    this.preparedRows = [];
  }

  /** Everything that was committed and is not yet stored, for one atomic batch; `saved` follows once it is written. Nothing may be folded between. */
  unsavedWrites(): RowWrite[] {
    const buffer = new RowBuffer(Math.max(1 << 12, this.unsavedRows.length * 96));
    for (const row of this.unsavedRows) {
      buffer.beginRow(row.slot, row.entry.bytes, row.subkey);
      buffer.endRow(row.committed === undefined ? null : (this.options.slots[row.slot] as SlotCodec).encode(row.committed));
    }
    return [...decodeRows(buffer.bytes.subarray(0, buffer.length))];
  }

  saved(): void {
    const rows = this.unsavedRows;
    this.unsavedRows = [];
    this.unsaved = 0;
    if (rows.length > 0) this.storeIsEmpty = false;
    for (const row of rows) {
      row.unsaved = false;
      row.entry.pins--;
      if (row.committed === undefined && row.value === undefined && !row.dirty && !row.undecided) this.forget(row);
    }
    this.evict();
    this.trimMaps();
  }

  /** Keys are what is evicted; but a key that is always in use may have a map without end. Its oldest entries go when all maps are too many. */
  private trimMaps(): void {
    const maxRows = this.options.maxKeys * mapRowsPerKey;
    const { maxBytes } = this.options;
    if (this.mapRows <= maxRows && this.bytes <= maxBytes) return;
    this.mapRows = 0;
    for (const entry of this.entries.values()) this.mapRows += this.mapRowsOf(entry);
    if (this.mapRows <= maxRows && this.bytes <= maxBytes) return;
    let over = this.mapRows - maxRows / 2;
    for (const entry of this.entries.values()) {
      for (const slot of this.mapSlots) {
        for (const [id, row] of entry.many[slot] ?? []) {
          if (over <= 0 && this.bytes <= maxBytes / 2) return;
          if (row.dirty || row.undecided || row.unsaved) continue;
          if (row.value !== undefined) entry.complete = false;
          entry.many[slot]?.delete(id);
          entry.sortedIds = undefined;
          this.resize(row, 0);
          this.mapRows--;
          over--;
        }
      }
    }
  }

  private mapRowsOf(entry: KeyEntry): number {
    let rows = 0;
    for (const slot of this.mapSlots) rows += entry.many[slot]?.size ?? 0;
    return rows;
  }

  /** CLOCK over the map's insertion order: an entry that was used gets a second chance at the back. */
  evict(): void {
    let over = this.entries.size - this.options.maxKeys;
    const { maxBytes } = this.options;
    if (over <= 0 && this.bytes <= maxBytes) return;
    let looks = this.entries.size * 2;
    for (const entry of this.entries.values()) {
      if ((over <= 0 && this.bytes <= maxBytes) || looks-- <= 0) return;
      if (entry.pins > 0) continue;
      this.entries.delete(entry.id);
      if (entry.touched) {
        entry.touched = false;
        this.entries.set(entry.id, entry);
        continue;
      }
      entry.evicted = true;
      this.bytes -= entry.cachedBytes;
      this.mapRows -= this.mapRowsOf(entry);
      over--;
    }
  }

  /** The rows of a key in a slot as the last commit left them, in subkey order, read as they are asked for. For queries. */
  *committedRows(slot: number, keyBytes: Buffer, range: SubkeyRange = {}): Generator<RangeRow> {
    yield* this.mergedRows(slot, keyBytes, this.entries.get(latin1(keyBytes)), (row) => row.committed, range);
  }

  /** The same with what is not committed yet. Rows that are changed, added or removed while it is read are seen as they are when it gets there. */
  *currentRows(slot: number, entry: KeyEntry, range: SubkeyRange = {}): Generator<RangeRow> {
    yield* this.mergedRows(slot, entry.bytes, entry, (row) => row.value, range);
  }

  /**
   * The rows of a key with ids in [from, to), in order, of a slot of the kind `windows`: what is cached of it is all there is. Those without a value
   * too.
   */
  *loadedRows(entry: KeyEntry, slot: number, from: string, to: string, reverse = false): Generator<Row> {
    const rows = this.rowsOf(entry, slot);
    const cursor = new IdCursor(this.sortedIds(entry, slot), from, to, reverse);
    for (let id = cursor.peek(); id !== undefined; id = cursor.peek()) {
      cursor.last = id;
      cursor.advance();
      yield rows.get(id) as Row;
    }
  }

  /** What the last commit left of a key's single row. */
  committedSingle(slot: number, keyBytes: Buffer): unknown {
    const cached = this.entries.get(latin1(keyBytes));
    const row = cached?.single[slot];
    if (cached?.loaded === true) return row?.committed;
    return this.stored(rowPrefix(slot, keyBytes), slot);
  }

  committedEntry(slot: number, keyBytes: Buffer, subkey: Buffer): unknown {
    const row = this.entries.get(latin1(keyBytes))?.many[slot]?.get(latin1(subkey));
    return row === undefined ? this.stored(rowKey(slot, keyBytes, subkey), slot) : row.committed;
  }

  private stored(key: Buffer, slot: number): unknown {
    if (this.storeIsEmpty) return undefined;
    const value = this.options.store.get(key);
    return value === undefined ? undefined : (this.options.slots[slot] as SlotCodec).decode(asBuffer(value));
  }

  /** Walks the cached ids and the stored rows together; where both have one, the cache is right. */
  private *mergedRows(
    slot: number,
    keyBytes: Buffer,
    entry: KeyEntry | undefined,
    pick: (row: Row) => unknown,
    range: SubkeyRange,
  ): Generator<RangeRow> {
    const codec = this.options.slots[slot] as SlotCodec;
    const reverse = range.reverse === true;
    const cached = entry === undefined ? undefined : this.rowsOf(entry, slot);
    const cursor = entry === undefined ? undefined : this.cursor(entry, slot, range);
    const stored = this.storedRows(slot, keyBytes, entry, range);
    try {
      let next = stored?.next().value as StoredRow | undefined;
      let nextId = next === undefined ? "" : subkeyId(next);
      for (;;) {
        const id = cursor?.peek();
        if (id !== undefined && (next === undefined || id === nextId || id < nextId !== reverse)) {
          const row = cached?.get(id) as Row;
          (cursor as IdCursor).last = id;
          (cursor as IdCursor).advance();
          if (id === nextId && next !== undefined) {
            next = stored?.next().value as StoredRow | undefined;
            nextId = next === undefined ? "" : subkeyId(next);
          }
          const value = pick(row);
          if (value !== undefined) yield { subkey: row.subkey as Buffer, value };
        } else if (next === undefined) return;
        else {
          const { key, value } = next;
          if (cursor !== undefined) cursor.last = nextId;
          next = stored?.next().value as StoredRow | undefined;
          nextId = next === undefined ? "" : subkeyId(next);
          yield { subkey: parseRowKey(key).subkey, value: codec.decode(asBuffer(value)) };
        }
      }
    } finally {
      stored?.return?.();
    }
  }

  private cursor(entry: KeyEntry, slot: number, { from, to, reverse }: SubkeyRange): IdCursor {
    const ids = this.sortedIds(entry, slot);
    return new IdCursor(ids, from === undefined ? "" : latin1(from), to === undefined ? undefined : latin1(to), reverse === true);
  }

  private sortedIds(entry: KeyEntry, slot: number): SortedIds {
    const sorted = (entry.sortedIds ??= []);
    return (sorted[slot] ??= new SortedIds(this.rowsOf(entry, slot).keys()));
  }

  /** Undefined when the store has nothing of the key that the cache has not. */
  private storedRows(slot: number, keyBytes: Buffer, entry: KeyEntry | undefined, range: SubkeyRange): Iterator<StoredRow> | undefined {
    if (this.storeIsEmpty || entry?.complete === true) return undefined;
    const all = prefixRange(rowPrefix(slot, keyBytes));
    const to = range.to === undefined ? all.to : rowKey(slot, keyBytes, range.to);
    return this.options.store
      .range({
        from: range.from === undefined ? all.from : rowKey(slot, keyBytes, range.from),
        ...(to === undefined ? {} : { to }),
        reverse: range.reverse === true,
      })
      [Symbol.iterator]();
  }

  private loadRange(entry: KeyEntry, slot: number): void {
    const rows = this.rowsOf(entry, slot);
    for (const stored of this.options.store.range(prefixRange(rowPrefix(slot, entry.bytes)))) {
      const { subkey } = parseRowKey(stored.key);
      const row = new Row(entry, slot, Buffer.from(subkey));
      rows.set(latin1(subkey), row);
      entry.sortedIds?.[slot]?.add(latin1(subkey));
      this.place(row, stored.key, stored.value);
    }
  }

  /** Puts a stored value into its row. Its hash is computed anew: it was added to the digest when it was written. */
  private place(row: Row, _key: Uint8Array, value: Uint8Array): void {
    const bytes = asBuffer(value);
    row.value = (this.options.slots[row.slot] as SlotCodec).decode(bytes);
    row.committed = row.value;
    this.scratch.clear();
    const at = this.scratch.beginRow(row.slot, row.entry.bytes, row.subkey);
    this.scratch.endRow(bytes);
    const hash = this.scratch.hashRow(at, this.options.seed);
    row.hash0 = hash[0] as number;
    row.hash1 = hash[1] as number;
    row.hash2 = hash[2] as number;
    row.hash3 = hash[3] as number;
    row.counted = true;
    this.resize(row, this.scratch.length - at);
  }

  private clean(row: Row): void {
    row.dirty = false;
    row.entry.pins--;
    if (row.value === undefined && !row.unsaved) this.forget(row);
  }

  /** An absent row with a subkey need not be remembered: the store does not have it either. */
  private forget(row: Row): void {
    if (row.subkey === undefined) return;
    const id = latin1(row.subkey);
    const known = row.entry.many[row.slot]?.delete(id) === true;
    if (known && !row.entry.evicted && (this.options.slots[row.slot] as SlotCodec).kind === "entries") this.mapRows--;
    row.entry.sortedIds?.[row.slot]?.delete(id);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function subkeyId({ key }: StoredRow): string {
  return latin1(parseRowKey(key).subkey);
}
