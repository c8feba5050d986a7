import { CheckpointArchive } from "@reprise/checkpoint";
import type { CheckpointManifest, CheckpointProgress, RowWrite, StoredRow } from "@reprise/engine";
import { beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../../test/support/random.ts";
import type { ObjectStore } from "../src/internal/object-store.ts";
import { chunks, collect, keyOf, Model, of, rowText } from "./support.ts";

const task = { deployment: "fraud-1", partition: 3 };
const folder = "fraud-1/3";
const corrupt = expect.objectContaining({ code: "CHECKPOINT_CORRUPT" });

/** What every place for checkpoints has to do. @param open an empty one, anew for each test */
export function checkpointConformance(open: () => Promise<ObjectStore>): void {
  let objects: ObjectStore;
  let store: CheckpointArchive;

  beforeEach(async () => {
    objects = await open();
    store = new CheckpointArchive(objects);
  });

  const rowTexts = async (manifest: CheckpointManifest): Promise<string[]> => (await collect(store.read(manifest))).map(rowText);
  const segments = async (): Promise<string[]> => (await objects.list(`${folder}/segments`)).map(({ path }) => path).sort();
  const bytesAt = async (path: string): Promise<Buffer> => (await objects.get(path)) as Buffer;
  const change = (at: number, value: string | null): RowWrite => ({ key: keyOf(at), value: value === null ? null : Buffer.from(value) });

  describe("objects", () => {
    it("are put, replaced, listed with their sizes, and removed, those that are not there too", async () => {
      expect(await objects.get("a/b")).toBeUndefined();
      expect(await objects.list("a")).toEqual([]);
      await objects.put("a/b", Buffer.from("1"));
      await objects.put("a/c", Buffer.alloc(0));
      await objects.put("a/d/e", Buffer.alloc(300_000, 7));
      await objects.put("a/b", Buffer.from("22"));
      expect((await objects.get("a/b"))?.toString()).toBe("22");
      expect(await objects.get("a/c")).toHaveLength(0);
      expect((await objects.get("a/d/e"))?.equals(Buffer.alloc(300_000, 7))).toBe(true);
      const listed = (await objects.list("a")).sort((x, y) => (x.path < y.path ? -1 : 1));
      expect(listed.map(({ path, bytes }) => [path, bytes])).toEqual([
        ["a/b", 2],
        ["a/c", 0],
      ]);
      // By the store's clock, which need not be ours to the second.
      for (const { modifiedMs } of listed) expect(Math.abs(Date.now() - modifiedMs)).toBeLessThan(60_000);
      expect(await objects.folders("")).toEqual(["a"]);
      expect(await objects.folders("a")).toEqual(["d"]);
      await objects.remove(["a/b", "a/none"]);
      expect(await objects.get("a/b")).toBeUndefined();
      await objects.removeFolder("a");
      expect(await objects.get("a/d/e")).toBeUndefined();
      expect(await objects.folders("")).toEqual([]);
    });

    it("are listed all, however many there are", async () => {
      const paths = Array.from({ length: 1_100 }, (_, at) => `many/${at}`);
      for (let at = 0; at < paths.length; at += 50)
        await Promise.all(paths.slice(at, at + 50).map((path) => objects.put(path, Buffer.from("x"))));
      expect((await objects.list("many")).map(({ path }) => path).sort()).toEqual(paths.sort());
      await objects.remove(paths.slice(50));
      expect(await objects.list("many")).toHaveLength(50);
      await objects.removeFolder("many");
      expect(await objects.list("many")).toEqual([]);
    });
  });

  describe("a whole checkpoint", () => {
    it("is read back as it was written, in order, and says what it is", async () => {
      const before = Date.now();
      const manifest = await store.write(task, 7, '{"position":1}', chunks(2_500));
      expect(manifest).toMatchObject({ format: 1, ...task, n: 7, meta: '{"position":1}', rows: 2_500, changedBytes: 0 });
      expect(manifest.writtenBytes).toBe(manifest.bytes);
      expect(manifest.createdAtMs).toBeGreaterThanOrEqual(before);
      expect(await store.list(task)).toEqual([manifest]);
      expect(await rowTexts(manifest)).toEqual((await collect(chunks(2_500))).map(rowText));
    });

    it("may have no rows, rows without values, and rows larger than a segment", async () => {
      const empty = await store.write(task, 0, "{}", chunks(0));
      expect(empty).toMatchObject({ rows: 0, bytes: 0 });
      expect(await rowTexts(empty)).toEqual([]);
      const odd = [
        { key: Buffer.alloc(0), value: Buffer.from("c") },
        { key: Buffer.from("a"), value: Buffer.alloc(0) },
        { key: Buffer.from("b"), value: Buffer.alloc(9_000_000, 7) },
        { key: Buffer.from("c"), value: Buffer.from("after it") },
      ];
      const manifest = await store.write(task, 1, "{}", of(odd));
      expect((await segments()).length).toBe(2);
      const read = await collect(store.read(manifest));
      expect(read.map(({ key, value }) => [key.length, value.length])).toEqual(odd.map(({ key, value }) => [key.length, value.length]));
      expect(Buffer.compare(read[2]?.value as Uint8Array, odd[2]?.value as Uint8Array)).toBe(0);
    });

    it("is cut into segments by its rows: of a state that has changed in one place, the others are not stored again", async () => {
      const long = (at: number): string => `${at} `.padEnd(200, "x");
      const first = await store.write(task, 1, "{}", chunks(60_000, long));
      expect((await segments()).length).toBeGreaterThan(2);
      const second = await store.write(
        task,
        2,
        "{}",
        chunks(60_000, (at) => (at === 100 ? "other" : long(at))),
      );
      expect(second.bytes).toBeGreaterThan(first.bytes * 0.9);
      expect(second.writtenBytes).toBeLessThan(first.bytes * 0.7);
      expect((await rowTexts(second))[100]).toBe("key-00000100=other");
      expect(await rowTexts(first)).toEqual((await collect(chunks(60_000, long))).map(rowText));
    });

    it("is listed newest first, and of every task by itself", async () => {
      for (const n of [2, 10, 9]) await store.write(task, n, "{}", chunks(n));
      await store.write({ ...task, partition: 30 }, 1, "{}", chunks(1));
      await store.write({ ...task, deployment: "fraud" }, 4, "{}", chunks(1));
      expect((await store.list(task)).map(({ n }) => n)).toEqual([10, 9, 2]);
      expect((await store.list({ ...task, partition: 30 })).map(({ n }) => n)).toEqual([1]);
      expect(await store.list({ ...task, partition: 31 })).toEqual([]);
      expect(await store.deployments()).toEqual(["fraud", "fraud-1"]);
      expect(await store.partitions("fraud-1")).toEqual([3, 30]);
      expect(await store.partitions("none")).toEqual([]);
    });

    it("stands beside one of the same n with other content, each with its own rows", async () => {
      const all = [
        await store.write(task, 1, "a", chunks(10)),
        await store.write(task, 1, "b", chunks(20)),
        await store.write(task, 1, "c", chunks(10)),
      ];
      const byMeta = (x: CheckpointManifest, y: CheckpointManifest): number => (x.meta < y.meta ? -1 : 1);
      expect((await store.list(task)).sort(byMeta)).toEqual(all);
      await store.remove(all[0] as CheckpointManifest);
      expect((await store.list(task)).sort(byMeta)).toEqual(all.slice(1));
      await store.collect(task, { leftovers: true, graceMs: 0 });
      expect(await rowTexts(all[1] as CheckpointManifest)).toHaveLength(20);
      expect(await rowTexts(all[2] as CheckpointManifest)).toHaveLength(10);
    });

    it("passes on the error of the rows' source, and keeps what was", async () => {
      const manifest = await store.write(task, 1, "{}", chunks(10));
      async function* failing(): AsyncGenerator<StoredRow[]> {
        yield [{ key: Buffer.from("a"), value: Buffer.from("b") }];
        throw new Error("the source broke");
      }
      await expect(store.write(task, 1, "{}", failing())).rejects.toThrow("the source broke");
      expect(await store.list(task)).toEqual([manifest]);
    });

    it("is not there when its writer was told to give up", async () => {
      const giveUp = new AbortController();
      async function* rows(): AsyncGenerator<StoredRow[]> {
        yield* chunks(2_000);
        giveUp.abort();
        yield [{ key: Buffer.from("z"), value: Buffer.from("z") }];
      }
      await expect(store.write(task, 1, "{}", rows(), { signal: giveUp.signal })).rejects.toThrow();
      expect(await store.list(task)).toEqual([]);
    });
  });

  describe("an extended checkpoint", () => {
    it("has the changed rows; the one it was made from stays as it was; it cost what changed", async () => {
      const model = new Model();
      await model.add(chunks(20_000));
      const before = model.texts;
      const base = await store.write(task, 1, "1", chunks(20_000));
      const changes = [
        [change(5, "once"), change(19_999, "last"), change(7, null), change(20_001, "new")],
        [change(5, "twice"), change(0, null), change(20_001, null), change(20_002, "newer"), change(7, "again")],
      ];
      for (const some of changes) model.change(some);
      const next = await store.extend(base, 2, "2", of(...changes));
      expect(await rowTexts(next)).toEqual(model.texts);
      expect(await rowTexts(base)).toEqual(before);
      expect(await store.list(task)).toEqual([next, base]);
      expect(next).toMatchObject({ n: 2, meta: "2", rows: 20_006 });
      expect(next.writtenBytes).toBe(next.changedBytes);
      expect(next.writtenBytes).toBeLessThan(base.bytes / 1_000);
      // Without changes it is the same state at another n.
      const same = await store.extend(next, 3, "3", of());
      expect(same).toMatchObject({ writtenBytes: 0, sha256: next.sha256 });
      expect(await rowTexts(same)).toEqual(model.texts);
    });

    it("is right however often it was extended, and has few runs", { timeout: 120_000 }, async () => {
      const random = new Random(7);
      const model = new Model();
      await model.add(chunks(500));
      let newest = await store.write(task, 0, "{}", chunks(500));
      let written = 0;
      let changed = 0;
      for (let n = 1; n <= 150; n += 1) {
        const some = Array.from({ length: 1 + Math.floor(random.next() * 60) }, () =>
          change(
            Math.floor(random.next() * 800),
            random.next() < 0.3 ? null : `${n} ${random.next()} `.repeat(1 + Math.floor(random.next() * 20)),
          ),
        );
        model.change(some);
        changed += some.reduce((sum, { key, value }) => sum + 8 + key.length + (value?.length ?? 0), 0);
        const old = newest;
        newest = await store.extend(old, n, "{}", of(some.slice(0, 10), some.slice(10)));
        written += newest.writtenBytes;
        if (n % 10 === 0) expect(await rowTexts(newest)).toEqual(model.texts);
        await store.remove(old);
      }
      await store.collect(task, { leftovers: true, graceMs: 0 });
      expect(await rowTexts(newest)).toEqual(model.texts);
      expect((newest as unknown as { runs: unknown[] }).runs.length).toBeLessThan(20);
      // A row is written once, and once more per tier.
      expect(written).toBeLessThan(changed * 4);
    });

    it("takes more changes than are sorted at once", { timeout: 120_000 }, async () => {
      const model = new Model();
      await model.add(chunks(100));
      const base = await store.write(task, 1, "{}", chunks(100));
      const large = Array.from({ length: 30 }, (_, i) =>
        Array.from({ length: 10 }, (_, j) => change((i * 10 + j) % 280, `${i} ${j} `.padEnd(60_000, "y"))),
      );
      for (const some of large) model.change(some);
      const next = await store.extend(base, 2, "{}", of(...large));
      expect((next as unknown as { runs: unknown[] }).runs.length).toBeGreaterThan(2);
      expect(await rowTexts(next)).toEqual(model.texts);
    });

    it("can't be made from one that is gone", async () => {
      const base = await store.write(task, 1, "{}", chunks(10));
      await store.remove(base);
      await expect(store.extend(base, 2, "{}", of([change(1, "x")]))).rejects.toThrow(corrupt);
      expect(await store.list(task)).toEqual([]);
    });
  });

  describe("reading", () => {
    it("says how far it is", async () => {
      const base = await store.write(
        task,
        1,
        "{}",
        chunks(60_000, (at) => `${at} `.padEnd(200, "x")),
      );
      const manifest = await store.extend(base, 2, "{}", of([change(3, "x")]));
      const told: CheckpointProgress[] = [];
      await collect(store.read(manifest, { onProgress: (progress) => told.push(progress) }));
      expect(told.length).toBeGreaterThan(3);
      expect(told.at(-1)).toEqual({ rows: 60_001, totalRows: 60_001, bytes: manifest.bytes, totalBytes: manifest.bytes });
      for (const [at, { rows, bytes }] of told.entries()) {
        expect(rows).toBeGreaterThan(told[at - 1]?.rows ?? 0);
        expect(bytes).toBeGreaterThan(told[at - 1]?.bytes ?? 0);
      }
    });

    it("can be given up in the middle", async () => {
      const manifest = await store.write(task, 1, "{}", chunks(50_000));
      for (let round = 0; round < 5; round += 1) for await (const _ of store.read(manifest)) break;
      const giveUp = new AbortController();
      const reading = (async () => {
        for await (const _ of store.read(manifest, { signal: giveUp.signal })) giveUp.abort();
      })();
      await expect(reading).rejects.toThrow();
    });
  });

  describe("removing", () => {
    it("leaves what others need, and for a while what readers need", async () => {
      const base = await store.write(task, 1, "{}", chunks(5_000));
      const middle = await store.extend(base, 2, "{}", of([change(1, "two")]));
      const newest = await store.extend(base, 3, "{}", of([change(1, "three"), change(4_999, null)]));
      const reading = store.read(middle)[Symbol.asyncIterator]();
      await reading.next();
      await store.remove(base);
      await store.remove(middle);
      await store.remove(middle);
      expect(await store.list(task)).toEqual([newest]);
      expect(await rowTexts(newest)).toHaveLength(4_999);
      // Removed, and not collected yet: who listed it before can begin to read it.
      expect((await rowTexts(middle))[1]).toBe("key-00000001=two");
      expect(await segments()).toHaveLength(3);
      const collected = await store.collect(task, { graceMs: 0 });
      expect(collected).toMatchObject({ objects: 1 });
      expect(await segments()).toHaveLength(2);
      await expect(rowTexts(middle)).rejects.toThrow(corrupt);
      expect((await rowTexts(newest))[1]).toBe("key-00000001=three");
      expect(await store.collect(task, { leftovers: true, graceMs: 0 })).toEqual({ objects: 0, bytes: 0 });
    });

    it("takes what a writer left that died, once it is old", async () => {
      const manifest = await store.write(task, 1, "{}", chunks(100));
      await objects.put(`${folder}/segments/${"0".repeat(64)}`, Buffer.from("of a checkpoint that never was"));
      await objects.put(`${folder}/manifests/0000000000000009.json`, Buffer.from("torn"));
      expect(await store.collect(task, { leftovers: true })).toEqual({ objects: 0, bytes: 0 });
      expect(await store.collect(task, { leftovers: true, graceMs: 0 })).toMatchObject({ objects: 2 });
      expect(await store.list(task)).toEqual([manifest]);
      expect(await rowTexts(manifest)).toHaveLength(100);
    });

    it("removes all of a deployment, and may be told so twice", async () => {
      await store.write(task, 1, "{}", chunks(5));
      await store.write({ ...task, deployment: "fraud-12" }, 1, "{}", chunks(1));
      await store.removeDeployment(task.deployment);
      await store.removeDeployment(task.deployment);
      expect(await store.list(task)).toEqual([]);
      expect(await store.deployments()).toEqual(["fraud-12"]);
    });
  });

  it("tasks, and one task, are written at the same time without harm", async () => {
    const all = await Promise.all(
      [1, 2, 3, 4].map((n) =>
        store.write(
          task,
          n,
          `${n}`,
          chunks(3_000, (at) => `${at % n}`),
        ),
      ),
    );
    const extended = await Promise.all(
      [5, 6, 7].map((n) => store.extend(all[0] as CheckpointManifest, n, `${n}`, of([change(n, `${n}`)]))),
    );
    await Promise.all([5, 6].map((partition) => store.write({ ...task, partition }, 1, "{}", chunks(100))));
    // Two that fight for the same n: both are there, whole.
    await Promise.all(
      ["a", "b"].map((value) =>
        store.write(
          task,
          8,
          value,
          chunks(3_000, () => value),
        ),
      ),
    );
    const manifests = await store.list(task);
    expect(manifests.map(({ n }) => n)).toEqual([8, 8, 7, 6, 5, 4, 3, 2, 1]);
    for (const [at, manifest] of all.entries()) expect(new Set(await rowTexts(manifest)).size).toBe(3_000 * Math.min(1, at + 1));
    for (const manifest of extended) expect((await rowTexts(manifest))[manifest.n]).toBe(`${keyOf(manifest.n).toString()}=${manifest.n}`);
    for (const fought of manifests.slice(0, 2))
      expect(new Set((await rowTexts(fought)).map((text) => text.split("=")[1]))).toEqual(new Set([fought.meta]));
  });

  describe("a damaged checkpoint", () => {
    it("is never read to its end when any bit of its rows was flipped", { timeout: 120_000 }, async () => {
      const manifest = await store.write(task, 1, "{}", chunks(40));
      const [path] = (await segments()) as [string];
      const content = await bytesAt(path);
      for (let bit = 0; bit < content.length * 8; bit += 97) {
        const damaged = Buffer.from(content);
        damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
        await objects.put(path, damaged);
        await expect(collect(store.read(manifest)), `bit ${bit}`).rejects.toThrow(corrupt);
      }
      await objects.put(path, content);
      expect(await rowTexts(manifest)).toHaveLength(40);
    });

    it("is not listed when a bit of its manifest was flipped", { timeout: 120_000 }, async () => {
      const manifest = await store.write(task, 1, '{"position":12345}', chunks(4));
      const [{ path }] = (await objects.list(`${folder}/manifests`)) as unknown as [{ path: string }];
      const content = await bytesAt(path);
      // The line end at its end means nothing.
      for (let bit = 0; bit < (content.length - 1) * 8; bit += 13) {
        const damaged = Buffer.from(content);
        damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
        await objects.put(path, damaged);
        expect(await store.list(task), `bit ${bit}`).toEqual([]);
      }
      await objects.put(path, content);
      expect(await store.list(task)).toEqual([manifest]);
    });

    it("is neither listed nor read when rows are cut off, added or gone, and an older one is still there", async () => {
      const older = await store.write(task, 1, "{}", chunks(10));
      const [kept] = await segments();
      const manifest = await store.extend(await store.write(task, 2, "{}", chunks(40)), 3, "{}", of([change(1, "x")]));
      for (const path of (await segments()).filter((one) => one !== kept)) {
        const content = await bytesAt(path);
        for (const size of [0, 1, content.length >> 1, content.length - 1]) {
          await objects.put(path, content.subarray(0, size));
          expect((await store.list(task)).map(({ n }) => n)).not.toContain(3);
          await expect(collect(store.read(manifest))).rejects.toThrow(corrupt);
        }
        await objects.put(path, Buffer.concat([content, Buffer.of(0)]));
        await expect(collect(store.read(manifest))).rejects.toThrow(corrupt);
        await objects.remove([path]);
        await expect(collect(store.read(manifest))).rejects.toThrow(
          expect.objectContaining({ code: "CHECKPOINT_CORRUPT", message: expect.stringMatching(new RegExp(`${path}.*missing`)) as string }),
        );
        expect((await store.list(task)).map(({ n }) => n)).not.toContain(3);
        await objects.put(path, content);
      }
      await objects.removeFolder(`${folder}/segments`);
      expect(await store.list(task)).toEqual([]);
      void older;
    });

    it("of another task is not taken for this task's", async () => {
      await store.write(task, 1, "{}", chunks(4));
      for (const part of ["manifests", "segments"])
        for (const { path } of await objects.list(`${folder}/${part}`)) await objects.put(path.replace("/3/", "/4/"), await bytesAt(path));
      expect(await store.list({ ...task, partition: 4 })).toEqual([]);
      expect(await store.list(task)).toHaveLength(1);
    });
  });
}
