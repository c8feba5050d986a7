import type { KeyRange, RowWrite, StateStore, StoredRow } from "@reprise/engine";

/** A state store for tests: synchronous, in one map, sorted on demand. Not meant for many rows. */
export class MapStore implements StateStore {
  private readonly rows = new Map<string, StoredRow>();

  get(key: Uint8Array): Uint8Array | undefined {
    return this.rows.get(idOf(key))?.value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    return keys.map((key) => this.get(key));
  }

  writeNow(writes: readonly RowWrite[]): void {
    for (const { key, value } of writes) {
      if (value === null) this.rows.delete(idOf(key));
      else this.rows.set(idOf(key), { key: Buffer.from(key), value: Buffer.from(value) });
    }
  }

  async write(writes: readonly RowWrite[]): Promise<void> {
    this.writeNow(writes);
  }

  *range({ from, to, reverse, limit }: KeyRange): Generator<StoredRow> {
    const low = from === undefined ? "" : idOf(from);
    const high = to === undefined ? undefined : idOf(to);
    const ids = [...this.rows.keys()].filter((id) => id >= low && (high === undefined || id < high)).sort();
    if (reverse === true) ids.reverse();
    for (const id of ids.slice(0, limit ?? ids.length)) yield this.rows.get(id) as StoredRow;
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
