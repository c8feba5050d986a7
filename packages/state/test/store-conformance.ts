import type { StateStore, StateStoreEngine } from "@reprise/engine";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { bytes, rowTexts, scanned, text } from "./bytes.ts";

export interface ConformanceSubject {
  readonly engine: StateStoreEngine;
  /** Of a store that does not exist yet. */
  readonly folder: string;
  readonly dispose: () => Promise<void>;
}

/** What every state store has to do, whatever it is made of. */
export function storeConformance(name: string, prepare: () => Promise<ConformanceSubject>): void {
  describe(`the ${name} store`, () => {
    let subject: ConformanceSubject;
    let store: StateStore;
    const put = (...pairs: readonly (readonly [string, string])[]): Promise<void> =>
      store.write(pairs.map(([key, value]) => ({ key: bytes(key), value: bytes(value) })));

    beforeEach(async () => {
      subject = await prepare();
      store = await subject.engine.open(subject.folder);
    });

    afterEach(async () => {
      await store.close();
      await subject.dispose();
    });

    it("gives back what was written, and undefined for what was not", async () => {
      await put(["a", "1"]);
      expect(text(store.get(bytes("a")))).toBe("1");
      expect(store.get(bytes("b"))).toBeUndefined();
    });

    it("takes the last of two writes of one key in one batch", async () => {
      await put(["a", "1"], ["a", "2"]);
      expect(text(store.get(bytes("a")))).toBe("2");
      await store.write([
        { key: bytes("a"), value: bytes("3") },
        { key: bytes("a"), value: null },
      ]);
      expect(store.get(bytes("a"))).toBeUndefined();
    });

    it("deletes, also what is not there", async () => {
      await put(["a", "1"], ["b", "2"]);
      await store.write([
        { key: bytes("a"), value: null },
        { key: bytes("nobody"), value: null },
      ]);
      expect(rowTexts(store.range({}))).toEqual(["b=2"]);
    });

    it("accepts an empty batch", async () => {
      await store.write([]);
      expect(rowTexts(store.range({}))).toEqual([]);
    });

    it("keeps an empty value apart from no value", async () => {
      await put(["a", ""]);
      expect(store.get(bytes("a"))).toHaveLength(0);
      expect(await store.getMany([bytes("a"), bytes("b")])).toEqual([expect.objectContaining({ length: 0 }), undefined]);
      expect(rowTexts(store.range({}))).toEqual(["a="]);
    });

    it("keeps values of several megabytes", async () => {
      const large = new Uint8Array(5_000_000).map((_, at) => at % 251);
      await store.write([{ key: bytes("large"), value: large }]);
      expect(Buffer.compare(store.get(bytes("large")) as Uint8Array, large)).toBe(0);
      const [row] = await scanned(store.scan({}));
      expect(row?.value).toHaveLength(large.length);
    });

    it("keeps copies, so that the writer may use its buffers again", async () => {
      const key = Buffer.from("xax").subarray(1, 2);
      const value = Buffer.from("x1x").subarray(1, 2);
      await store.write([{ key, value }]);
      key.fill("z");
      value.fill("z");
      expect(rowTexts(store.range({}))).toEqual(["a=1"]);
    });

    it("answers getMany in the order and length of the keys", async () => {
      await put(["a", "1"], ["b", "2"], ["c", "3"]);
      const values = await store.getMany(["c", "x", "a", "c", "b"].map(bytes));
      expect(values.map(text)).toEqual(["3", undefined, "1", "3", "2"]);
      expect(await store.getMany([])).toEqual([]);
    });

    it("answers getMany of thousands of keys", async () => {
      await put(...Array.from({ length: 3_000 }, (_, at) => [`k${at}`, `v${at}`] as const));
      const values = await store.getMany(Array.from({ length: 3_001 }, (_, at) => bytes(`k${3_000 - at}`)));
      expect(values.map(text)).toEqual([undefined, ...Array.from({ length: 3_000 }, (_, at) => `v${2_999 - at}`)]);
    });

    it("orders keys as unsigned bytes, the shorter of two before the longer", async () => {
      const keys = [[0], [0, 0], [0, 255], [1], [127], [128], [128, 1], [255], [255, 0], [255, 255]].map((key) => Uint8Array.from(key));
      const written = [7, 2, 9, 0, 4, 5, 1, 8, 3, 6].map((at) => ({ key: keys[at] as Uint8Array, value: bytes(String(at)) }));
      await store.write(written);
      expect(Array.from(store.range({}), ({ key }) => [...key])).toEqual(keys.map((key) => [...key]));
      expect((await scanned(store.scan({}))).map(({ key }) => [...key])).toEqual(keys.map((key) => [...key]));
    });

    it("reads ranges from inclusive to exclusive, both ways, within a limit", async () => {
      await put(["a", "1"], ["b", "2"], ["c", "3"], ["d", "4"], ["e", "5"]);
      const keys = (range: Parameters<StateStore["range"]>[0]): string => Array.from(store.range(range), ({ key }) => text(key)).join("");
      expect(keys({ from: bytes("b"), to: bytes("d") })).toBe("bc");
      expect(keys({ from: bytes("b") })).toBe("bcde");
      expect(keys({ to: bytes("d") })).toBe("abc");
      expect(keys({ reverse: true })).toBe("edcba");
      expect(keys({ from: bytes("b"), to: bytes("d"), reverse: true })).toBe("cb");
      expect(keys({ from: bytes("aa"), to: bytes("cc") })).toBe("bc");
      expect(keys({ from: bytes("aa"), to: bytes("cc"), reverse: true })).toBe("cb");
      expect(keys({ limit: 2 })).toBe("ab");
      expect(keys({ limit: 2, reverse: true })).toBe("ed");
      expect(keys({ from: bytes("c"), limit: 2 })).toBe("cd");
      expect(keys({ limit: 0 })).toBe("");
      expect(keys({ from: bytes("d"), to: bytes("b") })).toBe("");
      expect(keys({ from: bytes("b"), to: bytes("b") })).toBe("");
      expect(keys({ to: new Uint8Array() })).toBe("");
      expect(keys({ from: new Uint8Array() })).toBe("abcde");
      expect(keys({ from: bytes("x") })).toBe("");
      expect(keys({ from: bytes("x"), reverse: true })).toBe("");
      expect(keys({ to: bytes("A"), reverse: true })).toBe("");
    });

    it("reads ranges of large rows to their end", async () => {
      const keys = Array.from({ length: 40 }, (_, at) => `k${String(at).padStart(2, "0")}`);
      await store.write(keys.map((key, at) => ({ key: bytes(key), value: new Uint8Array(at % 7 === 0 ? 900_000 : 90_000).fill(at) })));
      for (const reverse of [false, true]) {
        const found = Array.from(store.range({ reverse }), ({ key }) => text(key));
        expect(found).toEqual(reverse ? keys.toReversed() : keys);
      }
    });

    it("reads the rows of a prefix, also one that ends in 255", async () => {
      const keys = [[1], [1, 255], [1, 255, 0], [1, 255, 255], [2], [2, 0]].map((key) => Uint8Array.from(key));
      await store.write(keys.map((key) => ({ key, value: bytes("v") })));
      const found = Array.from(store.range({ from: Uint8Array.of(1, 255), to: Uint8Array.of(2) }), ({ key }) => [...key]);
      expect(found).toEqual([
        [1, 255],
        [1, 255, 0],
        [1, 255, 255],
      ]);
    });

    it("refuses a limit that is none", () => {
      for (const limit of [-1, 1.5, Number.NaN]) {
        expect(() => [...store.range({ limit })]).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
      }
    });

    it("agrees with a sorted array after thousands of random writes, deletes and ranges", async () => {
      const random = randoms(20_011);
      const model = new Map<string, string>();
      for (let round = 0; round < 60; round += 1) {
        const rows = Array.from({ length: 200 }, () => {
          const key = `${random(3_000)}`;
          const value = random(4) === 0 ? null : `v${random(1_000_000)}`;
          if (value === null) model.delete(key);
          else model.set(key, value);
          return { key: bytes(key), value: value === null ? null : bytes(value) };
        });
        await store.write(rows);
        const [low, high] = [`${random(3_000)}`, `${random(3_000)}`].sort() as [string, string];
        const limit = 1 + random(500);
        const expected = [...model].filter(([key]) => key >= low && key < high).sort(([a], [b]) => (a < b ? -1 : 1));
        const range = { from: bytes(low), to: bytes(high), limit };
        expect(rowTexts(store.range(range))).toEqual(expected.slice(0, limit).map((pair) => pair.join("=")));
        expect(rowTexts(await scanned(store.scan({ ...range, reverse: true })))).toEqual(
          expected
            .reverse()
            .slice(0, limit)
            .map((pair) => pair.join("=")),
        );
      }
      expect(await scanned(store.scan({}))).toHaveLength(model.size);
    });

    it("scans the moment of the call: what is written afterwards is not seen", async () => {
      await put(...Array.from({ length: 5_000 }, (_, at) => [`k${String(at).padStart(5, "0")}`, "old"] as const));
      const scan = store.scan({});
      await put(["k00000", "new"], ["k99999", "new"]);
      await store.write([{ key: bytes("k00001"), value: null }]);
      const rows: string[] = [];
      for await (const chunk of scan) {
        rows.push(...rowTexts(chunk));
        await put(["k04999", "new"], ["k04998x", "new"]);
      }
      expect(rows).toHaveLength(5_000);
      expect(rows.filter((row) => !row.endsWith("=old"))).toEqual([]);
      expect(text(store.get(bytes("k00000")))).toBe("new");
      expect(await scanned(store.scan({}))).toHaveLength(5_001);
    });

    it("scans in bounded chunks, and may be left in the middle", async () => {
      await put(...Array.from({ length: 5_000 }, (_, at) => [`k${at}`, "v"] as const));
      const sizes: number[] = [];
      for await (const chunk of store.scan({})) sizes.push(chunk.length);
      expect(Math.max(...sizes)).toBeLessThanOrEqual(1_000);
      expect(sizes.reduce((sum, size) => sum + size)).toBe(5_000);
      for await (const chunk of store.scan({})) {
        expect(chunk.length).toBeGreaterThan(0);
        break;
      }
      for (const _ of store.range({})) break;
    });

    it("sees nothing of a batch that was not accepted", async () => {
      await put(["a", "1"]);
      const bad = [
        { key: bytes("a"), value: bytes("2") },
        { key: bytes("b"), value: 7 as unknown as Uint8Array },
      ];
      await expect(store.write(bad)).rejects.toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
      expect(rowTexts(store.range({}))).toEqual(["a=1"]);
      await put(["c", "3"]);
      expect(rowTexts(store.range({}))).toEqual(["a=1", "c=3"]);
    });

    it("is refused a second time while it is open, and names the folder and the process", async () => {
      const expected = expect.objectContaining({
        code: "STATE_LOCKED",
        message: expect.stringMatching(new RegExp(`${subject.folder}.*${process.pid}`)) as string,
      });
      await expect(subject.engine.open(subject.folder)).rejects.toThrow(expected);
      await expect(subject.engine.open(`${subject.folder}/../${subject.folder.split("/").at(-1)}/`)).rejects.toThrow(expected);
      await expect(subject.engine.destroy(subject.folder)).rejects.toThrow(expected);
      await put(["a", "1"]);
      expect(text(store.get(bytes("a")))).toBe("1");
    });

    it("has its rows after it was closed and opened again", async () => {
      await put(["a", "1"], ["b", "2"]);
      await store.close();
      store = await subject.engine.open(subject.folder);
      expect(rowTexts(store.range({}))).toEqual(["a=1", "b=2"]);
    });

    it("is empty after it was destroyed, and destroying nothing is no error", async () => {
      await put(["a", "1"]);
      await store.close();
      await subject.engine.destroy(subject.folder);
      await subject.engine.destroy(subject.folder);
      store = await subject.engine.open(subject.folder);
      expect(rowTexts(store.range({}))).toEqual([]);
    });

    it("refuses everything after it was closed, and may be closed twice", async () => {
      await put(...Array.from({ length: 3_000 }, (_, at) => [`k${at}`, "v"] as const));
      const scan = store.scan({});
      const range = store.range({})[Symbol.iterator]();
      range.next();
      const chunks = scan[Symbol.asyncIterator]();
      await chunks.next();
      await store.close();
      await store.close();
      const closed = expect.objectContaining({ code: "ILLEGAL_STATE" });
      expect(() => store.get(bytes("a"))).toThrow(closed);
      expect(() => [...store.range({})]).toThrow(closed);
      expect(() => store.scan({})).toThrow(closed);
      expect(() => store.approximateSizeBytes()).toThrow(closed);
      await expect(store.write([{ key: bytes("a"), value: null }])).rejects.toThrow(closed);
      await expect(store.getMany([bytes("a")])).rejects.toThrow(closed);
      await expect(chunks.next()).rejects.toThrow(closed);
      expect(() => Array.from({ [Symbol.iterator]: () => range })).toThrow(closed);
    });

    it("may be closed during reads", async () => {
      await put(...Array.from({ length: 20_000 }, (_, at) => [`k${at}`, "v".repeat(100)] as const));
      const reads = Promise.allSettled([
        scanned(store.scan({})),
        store.getMany(Array.from({ length: 20_000 }, (_, at) => bytes(`k${at}`))),
      ]);
      await store.close();
      for (const read of await reads) {
        if (read.status === "rejected") expect(read.reason).toMatchObject({ code: "ILLEGAL_STATE" });
      }
      store = await subject.engine.open(subject.folder);
      expect(await scanned(store.scan({}))).toHaveLength(20_000);
    });

    it("tells its size roughly", async () => {
      await store.write(Array.from({ length: 2_000 }, (_, at) => ({ key: bytes(`k${at}`), value: new Uint8Array(1_000).fill(at) })));
      expect(store.approximateSizeBytes()).toBeGreaterThan(1_000_000);
      expect(store.approximateSizeBytes()).toBeLessThan(20_000_000);
    });

    it("takes 100,000 rows in random order in one batch without slowing down", async () => {
      const rows = Array.from({ length: 100_000 }, (_, at) => ({
        key: bytes(`row-${(at * 7_919) % 100_000}`),
        value: new Uint8Array(100),
      }));
      const tenth = rows.slice(0, 10_000);
      const started = performance.now();
      await store.write(tenth);
      const tenthMs = performance.now() - started;
      await store.write(rows);
      const allMs = performance.now() - started - tenthMs;
      expect(await scanned(store.scan({}))).toHaveLength(100_000);
      // Quadratic would be 100 times; the bound leaves room for a busy machine.
      expect(allMs).toBeLessThan(Math.max(1, tenthMs) * 60 + 500);
    });
  });
}

/** A linear congruential generator: the same numbers in every run. */
function randoms(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
