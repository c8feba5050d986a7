import { resolve } from "node:path";
import type { KeyRange, RowWrite, StateStore, StateStoreEngine, StoredRow } from "@reprise/engine";
import { checkRows } from "./internal/check-rows.ts";
import { OpenFolders } from "./internal/open-folders.ts";
import { OrderedRows } from "./internal/ordered-rows.ts";
import { closedError } from "./internal/store-error.ts";

/** Rows per chunk of a scan, as RocksDB's. */
const chunkRows = 1_000;

/**
 * State in this process's memory, by folder name; nothing touches the disk. A store keeps its rows when it is closed, until
 * `destroy` or the end of the process, so that a restart of a task can be tested: open, write, close, open again. Each engine has its
 * own folders: two engines never share rows. Rows that are read must not be changed by the reader, since they are not copied.
 */
export function memoryEngine(): StateStoreEngine {
  const stores = new Map<string, OrderedRows>();
  const openFolders = new OpenFolders();
  return {
    name: "memory",
    provenByScan: false,
    async open(path) {
      const folder = resolve(path);
      openFolders.claim(folder);
      const rows = stores.get(folder) ?? new OrderedRows();
      stores.set(folder, rows);
      return new MemoryStore(folder, rows, () => openFolders.release(folder));
    },
    async destroy(path) {
      const folder = resolve(path);
      openFolders.refuseOpen(folder);
      stores.delete(folder);
    },
  };
}

class MemoryStore implements StateStore {
  readonly #folder: string;
  readonly #rows: OrderedRows;
  readonly #released: () => void;
  #closed = false;

  constructor(folder: string, rows: OrderedRows, released: () => void) {
    this.#folder = folder;
    this.#rows = rows;
    this.#released = released;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#open().get(key);
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const rows = this.#open();
    return keys.map((key) => rows.get(key));
  }

  async write(writes: readonly RowWrite[]): Promise<void> {
    const rows = this.#open();
    checkRows(writes);
    for (const { key, value } of writes) {
      if (value === null) rows.delete(key);
      else rows.put(key, value);
    }
  }

  *range(range: KeyRange): Iterable<StoredRow> {
    for (const row of this.#open().snapshot(range)) {
      yield row;
      this.#open();
    }
  }

  scan(range: KeyRange): AsyncIterable<readonly StoredRow[]> {
    return this.#chunks(this.#open().snapshot(range));
  }

  approximateSizeBytes(): number {
    return this.#open().approximateSizeBytes;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#released();
  }

  async *#chunks(rows: Iterable<StoredRow>): AsyncGenerator<readonly StoredRow[]> {
    let chunk: StoredRow[] = [];
    for (const row of rows) {
      this.#open();
      chunk.push(row);
      if (chunk.length < chunkRows) continue;
      yield chunk;
      chunk = [];
    }
    if (chunk.length > 0) yield chunk;
  }

  #open(): OrderedRows {
    if (this.#closed) throw closedError(this.#folder);
    return this.#rows;
  }
}
