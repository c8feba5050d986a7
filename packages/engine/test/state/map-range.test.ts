import { describe, expect, test } from "vitest";
import type { KeyRange, StoredRow } from "../../src/ports/state-store.ts";
import { RowBuffer } from "../../src/state/row-buffer.ts";
import { type SlotCodec, TaskState } from "../../src/state/task-state.ts";
import { MemoryStore } from "../support/memory-store.ts";
import { Random } from "../support/random.ts";

const entries: SlotCodec = {
  kind: "entries",
  encode: (value) => Buffer.from(JSON.stringify(value)),
  decode: (bytes) => JSON.parse(bytes.toString("utf8")) as unknown,
};

/** Counts the rows that are taken out of ranges, which is what a read costs. */
class CountingStore extends MemoryStore {
  taken = 0;

  override *range(range: KeyRange): Generator<StoredRow> {
    for (const row of super.range(range)) {
      this.taken++;
      yield row;
    }
  }
}

const newState = (store: MemoryStore, maxKeys: number): TaskState =>
  new TaskState(
    { store, slots: [entries], decodeKey: (bytes) => bytes.toString("latin1"), seed: 0, maxKeys, maxBytes: Number.POSITIVE_INFINITY },
    store.rows.size === 0,
  );

async function flush(state: TaskState, store: MemoryStore): Promise<void> {
  state.mark();
  state.prepare(new RowBuffer());
  state.fold();
  await store.write(state.unsavedWrites());
  state.saved();
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const within = (model: Map<string, number>, from: string | undefined, to: string | undefined, reverse: boolean): [string, number][] => {
  const found = [...model]
    .filter(([id]) => (from === undefined || id >= from) && (to === undefined || id < to))
    .sort(([a], [b]) => compare(a, b));
  return reverse ? found.reverse() : found;
};

describe("a range of a map", () => {
  test.each(Array.from({ length: 60 }, (_, i) => i))(
    "is that of a sorted model, also while it changes under the reader (seed %i)",
    async (seed) => {
      const random = new Random(seed);
      const store = new CountingStore();
      let state = newState(store, random.pick([0, 1, 100]));
      const keys = ["k", "k\u0000", "kk"];
      const models = new Map(keys.map((key) => [key, new Map<string, number>()]));
      const size = random.pick([6, 40, 3000]);
      const anyId = (): string => random.pick(["", "a", "a\u0000", "\u00ff", "\u00ff\u00ff"]) + String(random.below(size));
      const change = (key: string): void => {
        const id = anyId();
        const value = random.chance(0.4) ? undefined : random.below(1000);
        state.set(state.row(state.entry(key), 0, id), value);
        if (value === undefined) models.get(key)?.delete(id);
        else models.get(key)?.set(id, value);
      };
      for (let round = 0; round < 120; round++) {
        const key = random.pick(keys);
        const model = models.get(key) as Map<string, number>;
        for (let n = random.below(size > 1000 ? 60 : 8); n > 0; n--) change(random.pick(keys));
        const from = random.chance(0.5) ? anyId() : undefined;
        const to = random.chance(0.5) ? anyId() : undefined;
        const reverse = random.chance(0.5);
        const changing = random.chance(0.3);
        const most = random.pick([1, 5, 10_000]);
        const range = {
          from: from === undefined ? undefined : Buffer.from(from, "latin1"),
          to: to === undefined ? undefined : Buffer.from(to, "latin1"),
          reverse,
        };
        let expected = within(model, from, to, reverse);
        let read = 0;
        for (const { subkey, value } of state.currentRows(0, state.entry(key), range)) {
          const id = subkey.toString("latin1");
          expect([id, value]).toEqual(expected.shift());
          if (++read === most) break;
          if (!changing || read > 50) continue;
          for (let n = random.below(3); n > 0; n--) change(key);
          // What lies behind the reader is as it is now.
          expected = within(model, from, to, reverse).filter(([other]) => (reverse ? other < id : other > id));
        }
        if (read < most) expect(expected).toEqual([]);
        const dice = random.next();
        if (dice < 0.2) await flush(state, store);
        else if (dice < 0.25) {
          await flush(state, store);
          state = newState(store, random.pick([0, 1, 100]));
        }
      }
      await flush(state, store);
      for (const key of keys) {
        const rows = [...state.committedRows(0, Buffer.from(key, "latin1"))].map(({ subkey, value }) => [subkey.toString("latin1"), value]);
        expect(rows).toEqual(within(models.get(key) as Map<string, number>, undefined, undefined, false));
      }
    },
  );

  test("takes from the store what it gives, and seeks to where it begins", async () => {
    const store = new CountingStore();
    const first = newState(store, 10);
    const entry = first.entry("k");
    const id = (n: number): string => String(n).padStart(6, "0");
    for (let n = 0; n < 20_000; n++) first.set(first.row(entry, 0, id(n)), n);
    await flush(first, store);
    const state = newState(store, 10);
    const again = state.entry("k");
    state.loadNow(again);
    state.set(state.row(again, 0, id(10_001)), undefined);
    const take = (range: { from?: Buffer; to?: Buffer; reverse?: boolean }): unknown[] => {
      store.taken = 0;
      const values: unknown[] = [];
      for (const { value } of state.currentRows(0, again, range)) if (values.push(value) === 3) break;
      return values;
    };
    expect(take({ from: Buffer.from(id(10_000)) })).toEqual([10_000, 10_002, 10_003]);
    expect(store.taken).toBeLessThan(8);
    expect(take({ to: Buffer.from(id(10_003)), reverse: true })).toEqual([10_002, 10_000, 9_999]);
    expect(store.taken).toBeLessThan(8);
    expect(take({ reverse: true })).toEqual([19_999, 19_998, 19_997]);
    expect(store.taken).toBeLessThan(8);
  });
});

test("a map without end, of a key that is always in use, does not stay in memory", async () => {
  const store = new MemoryStore();
  const state = newState(store, 4);
  const sizes: number[] = [];
  for (let i = 0; i < 200; i++) {
    const entry = state.entry("k");
    state.set(state.row(entry, 0, String(i).padStart(3, "0")), i);
    // Some come and go, which must not be counted for ever.
    state.set(state.row(entry, 0, "gone"), i % 2 === 0 ? i : undefined);
    await flush(state, store);
    sizes.push(state.rowsOf(entry, 0).size);
  }
  // 8 for each of 4 keys; what is beyond goes at once, down to the half.
  expect(Math.max(...sizes)).toBe(32);
  expect(Math.min(...sizes.slice(40))).toBe(16);
  expect([...state.currentRows(0, state.entry("k"))].map(({ value }) => value)).toEqual(Array.from({ length: 200 }, (_, i) => i));
});
