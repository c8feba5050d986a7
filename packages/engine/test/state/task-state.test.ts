import { describe, expect, test } from "vitest";
import { addDigest, digestToHex, hash128, hashResult } from "../../src/state/digest.ts";
import type { KeyEntry } from "../../src/state/key-entry.ts";
import type { Row } from "../../src/state/row.ts";
import { RowBuffer, decodeRows } from "../../src/state/row-buffer.ts";
import { parseRowKey, rowKey } from "../../src/state/row-key.ts";
import { type SlotCodec, TaskState } from "../../src/state/task-state.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { Random } from "../support/random.ts";

const json = (kind: SlotCodec["kind"]): SlotCodec => ({
  kind,
  encode: (value) => Buffer.from(JSON.stringify(value)),
  decode: (bytes) => JSON.parse(bytes.toString("utf8")) as unknown,
});
const slots: readonly SlotCodec[] = [json("single"), json("windows"), json("entries"), json("single")];
const seed = 3;

const newState = (store: MemoryStore, maxKeys = 1000, empty = store.rows.size === 0, maxBytes = Number.POSITIVE_INFINITY): TaskState =>
  new TaskState({ store, slots, decodeKey: (bytes) => bytes.toString("latin1"), seed, maxKeys, maxBytes }, empty);

/** The digest of rows by a scan over all of them. */
function scanDigest(rows: Iterable<readonly [Buffer, unknown]>): string {
  const sum = new Uint32Array(4);
  const buffer = new RowBuffer();
  for (const [rawKey, value] of rows) {
    const { slot, key, subkey } = parseRowKey(rawKey);
    buffer.clear();
    const at = buffer.beginRow(slot, key, subkey.length === 0 ? undefined : subkey);
    buffer.endRow((slots[slot] as SlotCodec).encode(value) as Buffer);
    hash128(buffer.bytes, at, buffer.length, seed);
    addDigest(sum, hashResult);
  }
  return digestToHex(sum);
}

/** What a task's state should be: rows by key, with the same operations, the plain way. */
class Model {
  current = new Map<string, unknown>();
  committed = new Map<string, unknown>();
  /** What a commit that is on its way will make of it. */
  prepared: Map<string, unknown> | undefined;
  stored = new Map<string, unknown>();
  /** Before the handler, before the record. */
  saved: Map<string, unknown>[] = [];

  set(key: Buffer, value: unknown): void {
    if (value === undefined) this.current.delete(key.toString("latin1"));
    else this.current.set(key.toString("latin1"), value);
  }

  get(key: Buffer): unknown {
    return this.current.get(key.toString("latin1"));
  }

  rows(of: Map<string, unknown>, prefix: Buffer): [string, unknown][] {
    const text = prefix.toString("latin1");
    return [...of]
      .filter(([k]) => k.startsWith(text))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k.slice(text.length), v]);
  }
}

class Pair {
  readonly store = new MemoryStore();
  readonly model = new Model();
  readonly maxKeys: number;
  readonly maxBytes: number;
  readonly random: Random;
  state: TaskState;
  readonly keys: readonly string[];
  readonly subs: readonly string[] = ["a", "b", "\0", "\0\xff", "", "zz"];

  constructor(seedOf: number) {
    this.random = new Random(seedOf);
    this.maxKeys = this.random.pick([0, 1, 2, 5, 1000]);
    this.keys = Array.from({ length: this.random.pick([1, 3, 12]) }, (_, i) => `key${i}`);
    this.maxBytes = this.random.pick([0, 30, 200, Number.POSITIVE_INFINITY]);
    this.state = this.newState();
  }

  private newState(): TaskState {
    return newState(this.store, this.maxKeys, this.store.rows.size === 0, this.maxBytes);
  }

  /** What it says of its size is what its rows say; of what may go, no more is kept than fits. */
  private compareSizes(): void {
    let bytes = 0;
    for (const id of this.keys) {
      const entry = this.state.peek(id);
      const rows = [...(entry?.single ?? []), ...(entry?.many ?? []).flatMap((some) => [...(some?.values() ?? [])])];
      const own = rows.reduce((sum, row) => sum + (row?.bytes ?? 0), 0);
      expect(entry?.cachedBytes ?? 0).toBe(own);
      bytes += own;
    }
    expect(this.state.cachedBytes).toBe(bytes);
  }

  row(entry: KeyEntry, slot: number, sub: string): Row {
    return (slots[slot] as SlotCodec).kind === "single" ? this.state.single(entry, slot) : this.state.row(entry, slot, sub);
  }

  /** One record: some handlers, each of which may fail and be undone. */
  async record(): Promise<void> {
    const { random, model } = this;
    const ids = Array.from({ length: 1 + random.below(3) }, () => random.pick(this.keys));
    const entries = ids.map((id) => this.find(id));
    if (random.chance(0.5)) await this.state.load(entries.filter((e) => !e.loaded));
    else for (const entry of entries) this.state.loadNow(entry);
    const before = new Map(model.current);
    for (const entry of entries) this.handler(entry);
    if (random.chance(0.15)) {
      this.state.undo();
      model.current = before;
    }
    this.state.mark();
  }

  private find(id: string): KeyEntry {
    const bytes = Buffer.from(`xx${id}`, "latin1");
    return this.random.chance(0.5) ? this.state.entry(id) : this.state.entryAt(bytes, 2, bytes.length - 2);
  }

  private handler(entry: KeyEntry): void {
    const { random, model } = this;
    const savepoint = this.state.savepoint;
    const before = new Map(model.current);
    for (let n = random.below(6); n > 0; n--) {
      const slot = random.below(slots.length);
      const sub = (slots[slot] as SlotCodec).kind === "single" ? "" : random.pick(this.subs);
      const key = rowKey(slot, entry.bytes, Buffer.from(sub, "latin1"));
      const row = this.row(entry, slot, sub);
      expect(row.value).toEqual(model.get(key));
      if (random.chance(0.3)) continue;
      const value = random.pick<unknown>([undefined, undefined, random.below(3), { n: random.below(3) }]);
      this.state.set(row, value);
      model.set(key, value);
    }
    if (random.chance(0.3)) this.compareEntries(entry);
    if (random.chance(0.15)) {
      this.state.undo(savepoint);
      model.current = before;
    }
  }

  private compareEntries(entry: KeyEntry): void {
    for (const slot of [1, 2]) {
      const found = [...this.state.currentRows(slot, entry)].map(({ subkey, value }) => [subkey.toString("latin1"), value]);
      expect(found).toEqual(this.model.rows(this.model.current, rowKey(slot, entry.bytes, undefined)));
    }
  }

  /** What is processed after this belongs to the next commit. */
  prepare(): void {
    if (this.model.prepared !== undefined) this.fold();
    const buffer = new RowBuffer(64);
    const { bytes } = this.state.prepare(buffer);
    const changed = new Map(this.model.committed);
    for (const { key, value } of decodeRows(Buffer.from(bytes))) {
      if (value === null) changed.delete(key.toString("latin1"));
      else changed.set(key.toString("latin1"), JSON.parse(value.toString("utf8")));
    }
    expect(Object.fromEntries(changed)).toEqual(Object.fromEntries(this.model.current));
    expect(digestToHex(this.state.digest)).toBe(scanDigest([...this.model.current].map(([k, v]) => [Buffer.from(k, "latin1"), v])));
    this.model.prepared = new Map(this.model.current);
    this.compareQueries();
  }

  fold(): void {
    if (this.model.prepared === undefined) return;
    this.state.fold();
    this.model.committed = this.model.prepared;
    this.model.prepared = undefined;
    this.state.evict();
    this.compareSizes();
    this.compareQueries();
  }

  commit(): void {
    this.prepare();
    this.fold();
  }

  private compareQueries(): void {
    for (const id of this.keys) {
      const key = Buffer.from(id, "latin1");
      for (const slot of [0, 3])
        expect(this.state.committedSingle(slot, key)).toEqual(this.model.committed.get(rowKey(slot, key, undefined).toString("latin1")));
      for (const slot of [1, 2]) {
        const found = [...this.state.committedRows(slot, key)].map(({ subkey, value }) => [subkey.toString("latin1"), value]);
        expect(found).toEqual(this.model.rows(this.model.committed, rowKey(slot, key, undefined)));
        for (const sub of this.subs) {
          const subkey = Buffer.from(sub, "latin1");
          expect(this.state.committedEntry(slot, key, subkey)).toEqual(
            this.model.committed.get(rowKey(slot, key, subkey).toString("latin1")),
          );
        }
      }
    }
  }

  async flush(): Promise<void> {
    await this.store.write(this.state.unsavedWrites());
    this.state.saved();
    this.compareSizes();
    // What is not committed, or not decided, stays.
    if (this.state.changedRows === 0 && this.model.prepared === undefined)
      expect(this.state.cachedBytes).toBeLessThanOrEqual(this.maxBytes);
    this.model.stored = new Map(this.model.committed);
    expect(Object.fromEntries([...this.store.rows].map(([k, { value }]) => [k, JSON.parse(Buffer.from(value).toString("utf8"))]))).toEqual(
      Object.fromEntries(this.model.stored),
    );
  }

  /** The process dies: what was flushed is left. */
  crash(): void {
    const { model } = this;
    this.state = this.newState();
    model.prepared = undefined;
    model.current = new Map(model.stored);
    model.committed = new Map(model.stored);
    const all = [...model.stored].map(([k, v]): [Buffer, unknown] => [Buffer.from(k, "latin1"), v]);
    const sum = new Uint32Array(4);
    for (const one of all) {
      scanDigest([one]);
      addDigest(sum, hashResult);
    }
    this.state.digest.set(sum);
  }
}

describe("task state", () => {
  test.each(Array.from({ length: 60 }, (_, i) => i))("is what a plain map is, whatever happens (seed %i)", async (seedOf) => {
    const pair = new Pair(seedOf);
    for (let i = 0; i < 120; i++) {
      const dice = pair.random.next();
      if (dice < 0.7) await pair.record();
      else if (dice < 0.78) pair.prepare();
      else if (dice < 0.84) pair.fold();
      else if (dice < 0.88) pair.commit();
      else if (dice < 0.92) await pair.flush();
      else if (dice < 0.97) {
        pair.commit();
        await pair.flush();
      } else pair.crash();
    }
    pair.commit();
    await pair.flush();
  });

  test("keeps no more keys than it may once they are stored", async () => {
    const store = new MemoryStore();
    const state = newState(store, 10);
    for (let i = 0; i < 500; i++) {
      const entry = state.entry(`k${i}`);
      state.loadNow(entry);
      state.set(state.single(entry, 0), i);
      state.mark();
    }
    expect(state.cachedKeys).toBe(500);
    state.prepare(new RowBuffer());
    state.fold();
    await store.write(state.unsavedWrites());
    state.saved();
    state.evict();
    expect(state.cachedKeys).toBeLessThanOrEqual(10);
  });

  test("a query sees a stored row while the row is being loaded", async () => {
    const store = new MemoryStore();
    await store.write([{ key: rowKey(0, Buffer.from("k"), undefined), value: Buffer.from("1") }]);
    const state = newState(store);
    let go: () => void = () => undefined;
    store.beforeGetMany = () => new Promise((resolve) => (go = resolve));
    const loading = state.load([state.entry("k")]);
    expect(state.committedSingle(0, Buffer.from("k"))).toBe(1);
    go();
    await loading;
    expect(state.committedSingle(0, Buffer.from("k"))).toBe(1);
  });

  test("a load that failed is made again", async () => {
    const store = new MemoryStore();
    await store.write([{ key: rowKey(0, Buffer.from("k"), undefined), value: Buffer.from("1") }]);
    const state = newState(store);
    store.beforeGetMany = () => Promise.reject(new Error("disk"));
    await expect(state.load([state.entry("k")])).rejects.toThrow("disk");
    store.beforeGetMany = undefined;
    await state.load([state.entry("k")]);
    expect(state.single(state.entry("k"), 0).value).toBe(1);
  });

  test("a key that occurs twice in a batch is loaded once", async () => {
    const store = new MemoryStore();
    await store.write([{ key: rowKey(0, Buffer.from("k"), undefined), value: Buffer.from("1") }]);
    const state = newState(store);
    let asked = 0;
    const getMany = store.getMany.bind(store);
    store.getMany = (keys) => {
      asked += keys.length;
      return getMany(keys);
    };
    const entry = state.entry("k");
    await state.load([entry, entry, entry]);
    expect(asked).toBe(2);
    expect(state.single(entry, 0).value).toBe(1);
  });

  test("entries of a hot key that came and went are not remembered for ever", async () => {
    const store = new MemoryStore();
    await store.write([{ key: Buffer.from([9]), value: Buffer.from("1") }]);
    const state = newState(store, 10, false);
    for (let i = 0; i < 2000; i++) {
      const entry = state.entry("hot");
      state.loadNow(entry);
      // A new order, a closed one, and a look for one that never was.
      state.set(state.row(entry, 2, `order${i}`), i);
      state.set(state.row(entry, 2, `order${i - 1}`), undefined);
      void state.row(entry, 2, `nothing${i}`).value;
      state.mark();
      if (i % 100 !== 99) continue;
      state.prepare(new RowBuffer());
      state.fold();
      await store.write(state.unsavedWrites());
      state.saved();
      state.evict();
    }
    expect(state.rowsOf(state.entry("hot"), 2).size).toBeLessThan(500);
    expect([...state.currentRows(2, state.entry("hot"))].map(({ value }) => value)).toEqual([1999]);
  });
});
