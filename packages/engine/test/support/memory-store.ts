import type { KeyRange, RowWrite, StateStore, StateStoreEngine, StoredRow } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";

const idOf = (key: Uint8Array): string => Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");

/** Rows that outlive the stores which are opened on them, as a folder's do. */
export type Rows = Map<string, StoredRow>;

/** A state store over a map, sorted on demand. */
export class MemoryStore implements StateStore {
  readonly rows: Rows;
  closed = false;
  /** What `getMany` waits for. */
  beforeGetMany: (() => Promise<void>) | undefined;
  /** Thrown by the next `get`. */
  failNextGet: unknown;
  private readonly onClose: () => void;

  constructor(rows: Rows = new Map(), onClose: () => void = () => undefined) {
    this.rows = rows;
    this.onClose = onClose;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.checkOpen();
    const failure = this.failNextGet;
    if (failure !== undefined) {
      this.failNextGet = undefined;
      throw failure as Error;
    }
    return this.rows.get(idOf(key))?.value;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    await this.beforeGetMany?.();
    return keys.map((key) => this.get(key));
  }

  async write(writes: readonly RowWrite[]): Promise<void> {
    this.checkOpen();
    for (const { key, value } of writes) {
      if (value === null) this.rows.delete(idOf(key));
      else this.rows.set(idOf(key), { key: Buffer.from(key), value: Buffer.from(value) });
    }
  }

  *range({ from, to, reverse, limit }: KeyRange): Generator<StoredRow> {
    this.checkOpen();
    const low = from === undefined ? "" : idOf(from);
    const high = to === undefined ? undefined : idOf(to);
    const ids = [...this.rows.keys()].filter((id) => id >= low && (high === undefined || id < high)).sort();
    if (reverse === true) ids.reverse();
    for (const id of ids.slice(0, limit ?? ids.length)) yield this.rows.get(id) as StoredRow;
  }

  scan(range: KeyRange): AsyncIterable<readonly StoredRow[]> {
    const rows = [...this.range(range)];
    return (async function* () {
      for (let at = 0; at < rows.length; at += 7) yield rows.slice(at, at + 7);
    })();
  }

  approximateSizeBytes(): number {
    return this.rows.size;
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.onClose();
  }

  private checkOpen(): void {
    if (this.closed) throw new RepriseError("ILLEGAL_STATE", "the store is closed");
  }
}

/** Stores by folder, with the rules of the port: one owner at a time, rows stay when a store is closed. */
export class MemoryEngine implements StateStoreEngine {
  readonly name = "memory";
  provenByScan = false;
  readonly folders: Map<string, Rows>;
  readonly open_ = new Map<string, MemoryStore>();
  /** Called with every store that is opened: tests put faults into it. */
  onOpen: ((folder: string, store: MemoryStore) => void) | undefined;

  constructor(folders = new Map<string, Rows>()) {
    this.folders = folders;
  }

  async open(folder: string): Promise<StateStore> {
    if (this.open_.has(folder)) throw new RepriseError("STATE_LOCKED", `the state folder ${folder} is in use`);
    const rows = this.folders.get(folder) ?? new Map<string, StoredRow>();
    this.folders.set(folder, rows);
    const store = new MemoryStore(rows, () => this.open_.delete(folder));
    this.open_.set(folder, store);
    this.onOpen?.(folder, store);
    return store;
  }

  async destroy(folder: string): Promise<void> {
    if (this.open_.has(folder)) throw new RepriseError("STATE_LOCKED", `the state folder ${folder} is in use`);
    this.folders.delete(folder);
  }
}
