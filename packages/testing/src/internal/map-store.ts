import { IdCursor, type KeyRange, type RowWrite, SortedIds, type StateStore, type StoredRow } from "@reprise/engine";

/** A state store for tests: synchronous, in memory. */
export class MapStore implements StateStore {
  private readonly rows = new Map<string, StoredRow>();
  private readonly ids = new SortedIds([]);

  get(key: Uint8Array): Uint8Array | undefined {
    return this.rows.get(idOf(key))?.value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return keys.map((key) => this.get(key));
  }

  writeNow(writes: readonly RowWrite[]): void {
    for (const { key, value } of writes) {
      const id = idOf(key);
      if (value === null) {
        if (this.rows.delete(id)) this.ids.delete(id);
      } else {
        if (!this.rows.has(id)) this.ids.add(id);
        this.rows.set(id, { key: Buffer.from(key), value: Buffer.from(value) });
      }
    }
  }

  async write(writes: readonly RowWrite[]): Promise<void> {
    this.writeNow(writes);
  }

  *range({ from, to, reverse, limit }: KeyRange): Generator<StoredRow> {
    const cursor = new IdCursor(this.ids, from === undefined ? "" : idOf(from), to === undefined ? undefined : idOf(to), reverse === true);
    for (let left = limit ?? Number.POSITIVE_INFINITY; left > 0; left--) {
      const id = cursor.peek();
      if (id === undefined) return;
      cursor.last = id;
      cursor.advance();
      yield this.rows.get(id) as StoredRow;
    }
  }

  async *scan(range: KeyRange): AsyncGenerator<readonly StoredRow[]> {
    yield [...this.range(range)];
  }

  /** All of them but the meta row, in their order. */
  all(): StoredRow[] {
    return [...this.range({ from: Buffer.of(1) })];
  }

  approximateSizeBytes(): number {
    let size = 0;
    for (const { key, value } of this.rows.values()) size += key.length + value.length;
    return size;
  }

  async close(): Promise<void> {}
}

const idOf = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
