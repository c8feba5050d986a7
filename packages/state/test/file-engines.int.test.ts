import { readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StateStore, StateStoreEngine } from "@reprise/engine";
import { levelDbEngine, rocksDbEngine } from "@reprise/state";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startChild } from "../../../test/support/child-process.ts";
import { canMount, mountSmallDisk } from "../../../test/support/small-disk.ts";
import { bytes, rowTexts, scanned, text } from "./bytes.ts";
import { storeConformance } from "./store-conformance.ts";

const child = (name: string): string => join(import.meta.dirname, "children", `${name}.ts`);
const temporary = (): Promise<string> => mkdtemp(join(tmpdir(), "reprise-state-"));

const small = { writeBufferBytes: 1 << 20, blockCacheBytes: 1 << 20 };
const engines: readonly { readonly engine: StateStoreEngine; readonly tables: string }[] = [
  { engine: rocksDbEngine(small), tables: ".sst" },
  { engine: levelDbEngine(small), tables: ".ldb" },
];

for (const { name } of engines.map(({ engine }) => engine)) {
  storeConformance(name, async () => {
    const parent = await temporary();
    const engine = name === "rocksdb" ? rocksDbEngine() : levelDbEngine();
    return { engine, folder: join(parent, "task-0"), dispose: () => rm(parent, { recursive: true, force: true }) };
  });
}

describe.each(engines)("the $engine.name store on disk", ({ engine, tables }) => {
  let parent: string;
  let folder: string;

  beforeEach(async () => {
    parent = await temporary();
    folder = join(parent, "task-0");
  });

  afterEach(() => rm(parent, { recursive: true, force: true }));

  /** Enough rows that some lie in data files and some only in the write-ahead log. */
  async function fill(rows = 20_000): Promise<void> {
    const store = await engine.open(folder);
    for (let at = 0; at < rows; at += 1_000) {
      await store.write(Array.from({ length: 1_000 }, (_, i) => ({ key: bytes(`k${at + i}`), value: bytes(noise(at + i)) })));
    }
    await store.close();
  }

  const files = (ending: string): string[] =>
    readdirSync(join(folder, engine.name))
      .filter((file) => file.endsWith(ending) || file.startsWith(ending))
      .map((file) => join(folder, engine.name, file));

  it("loses no acknowledged batch, and tears none, when its process is killed", { timeout: 60_000 }, async () => {
    const running = startChild(child("acknowledged-writer"), engine.name, folder);
    await running.until((line) => Number(line) >= 2_000);
    await running.kill();
    const acknowledged = Number(running.lines.at(-1));
    const store = await engine.open(folder);
    const rows = await scanned(store.scan({ from: bytes("row-"), to: bytes("row.") }));
    const versions = new Set(rows.map(({ value }) => text(value)?.split(":")[0]));
    expect(rows).toHaveLength(10);
    expect(versions.size).toBe(1);
    const reached = Number([...versions][0]);
    expect(reached).toBeGreaterThanOrEqual(acknowledged);
    expect(rowTexts(store.range({ from: bytes("batch-"), to: bytes("batch.") }))).toHaveLength(reached);
    await store.close();
  });

  it("names folder and process of another process that has it open, and opens once that is killed", { timeout: 60_000 }, async () => {
    const running = startChild(child("holder"), engine.name, folder);
    await running.until((line) => line === "open");
    const locked = expect.objectContaining({
      code: "STATE_LOCKED",
      message: expect.stringMatching(new RegExp(`${folder}.*process ${running.process.pid}`)) as string,
      details: expect.objectContaining({ ownerPid: running.process.pid }) as object,
    });
    await expect(engine.open(folder)).rejects.toThrow(locked);
    await expect(engine.destroy(folder)).rejects.toThrow(locked);
    await running.kill();
    const store = await engine.open(folder);
    await store.close();
    await engine.destroy(folder);
    expect(readdirSync(parent)).toEqual([]);
  });

  it("destroys what a killed process left", { timeout: 60_000 }, async () => {
    const running = startChild(child("holder"), engine.name, folder);
    await running.until((line) => line === "open");
    await running.kill();
    await engine.destroy(folder);
    expect(readdirSync(parent)).toEqual([]);
  });

  it("is refused a second time through a symbolic link", async () => {
    const store = await engine.open(folder);
    symlinkSync(folder, join(parent, "link"));
    await expect(engine.open(join(parent, "link"))).rejects.toThrow(expect.objectContaining({ code: "STATE_LOCKED" }));
    await store.close();
  });

  const damages: readonly (readonly [string, () => void])[] = [
    ["a manifest that is cut off", () => truncateSync(files("MANIFEST-")[0] as string, 10)],
    ["a manifest that is gone", () => rmSync(files("MANIFEST-")[0] as string)],
    ["no CURRENT", () => rmSync(join(folder, engine.name, "CURRENT"))],
    ["rubbish in CURRENT", () => writeFileSync(join(folder, engine.name, "CURRENT"), "rubbish")],
    ["a data file that is gone", () => rmSync(files(tables)[0] as string)],
    ["a data file that is empty", () => truncateSync(files(tables)[0] as string, 0)],
  ];
  for (const [what, damage] of damages) {
    it(`refuses to open with ${what}, and can be destroyed and opened anew`, async () => {
      await fill();
      damage();
      await expect(engine.open(folder)).rejects.toThrow(
        expect.objectContaining({ code: "STATE_CORRUPT", message: expect.stringContaining(folder) as string }),
      );
      await engine.destroy(folder);
      const store = await engine.open(folder);
      expect(rowTexts(store.range({}))).toEqual([]);
      await store.close();
    });
  }

  it("refuses rows of a block with a flipped bit, in every kind of read", async () => {
    await fill();
    for (const file of files(tables)) {
      const content = readFileSync(file);
      for (let at = 100; at < content.length / 2; at += 1_000) content[at] = (content[at] as number) ^ 1;
      writeFileSync(file, content);
    }
    const corrupt = expect.objectContaining({ code: "STATE_CORRUPT", message: expect.stringContaining(folder) as string });
    // LevelDB would not notice: it is not let near them.
    if (engine.name === "leveldb") return await expect(engine.open(folder)).rejects.toThrow(corrupt);
    const store = await engine.open(folder);
    const keys = Array.from({ length: 20_000 }, (_, at) => bytes(`k${at}`));
    await expect(store.getMany(keys)).rejects.toThrow(corrupt);
    expect(() => keys.map((key) => store.get(key))).toThrow(corrupt);
    expect(() => [...store.range({})]).toThrow(corrupt);
    await expect(scanned(store.scan({}))).rejects.toThrow(corrupt);
    await expect(scanned(store.scan({ reverse: true }))).rejects.toThrow(corrupt);
    await store.close();
    // Its position would still be believed.
    await expect(engine.open(folder)).rejects.toThrow(corrupt);
    await engine.destroy(folder);
    await (await engine.open(folder)).close();
  });

  it("does not open what another engine wrote, and destroys it unless its owner lives", { timeout: 60_000 }, async () => {
    const other = engines.find((one) => one.engine !== engine)?.engine as StateStoreEngine;
    await (await other.open(folder)).close();
    const refused = expect.objectContaining({
      code: "STATE_OTHER_ENGINE",
      message: expect.stringMatching(new RegExp(`${folder} was written by ${other.name}`)) as string,
    });
    await expect(engine.open(folder)).rejects.toThrow(refused);
    const running = startChild(child("holder"), other.name, folder);
    await running.until((line) => line === "open");
    await expect(engine.destroy(folder)).rejects.toThrow(expect.objectContaining({ code: "STATE_LOCKED" }));
    await running.kill();
    await engine.destroy(folder);
    await (await engine.open(folder)).close();
    await expect(other.open(folder)).rejects.toThrow(expect.objectContaining({ code: "STATE_OTHER_ENGINE" }));
  });

  it("says that a folder can't be created, without calling it corrupt", async () => {
    writeFileSync(join(parent, "file"), "");
    await expect(engine.open(join(parent, "file", "task-0"))).rejects.toThrow(expect.objectContaining({ code: "STATE_FAILED" }));
  });

  it("does not grow in memory with what was written", { timeout: 60_000 }, async () => {
    const store = await engine.open(folder);
    const rows = Array.from({ length: 1_000 }, (_, at) => ({ key: bytes(`k${at}`), value: new Uint8Array(2_000).fill(at) }));
    for (let round = 0; round < 20; round += 1) await store.write(rows);
    const before = process.memoryUsage.rss();
    for (let round = 0; round < 200; round += 1) await store.write(rows);
    // 400 MB went through it; the binding's own array batches would have kept all of it.
    expect(process.memoryUsage.rss() - before).toBeLessThan(150_000_000);
    await store.close();
  });

  it("refuses sizes that the binding would cut off", () => {
    const refused = expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining("blockCacheBytes") as string });
    expect(() => rocksDbEngine({ blockCacheBytes: 2 ** 32 })).toThrow(refused);
    expect(() => rocksDbEngine({ blockCacheBytes: -1 })).toThrow(refused);
  });
});

describe.skipIf(!canMount()).each(engines)("the $engine.name store on a full disk", ({ engine }) => {
  let disk: string;
  let unmount: () => Promise<void>;

  beforeEach(async () => {
    ({ folder: disk, unmount } = await mountSmallDisk(8));
  });

  afterEach(() => unmount());

  it("says DISK_FULL, and keeps every acknowledged batch whole", { timeout: 60_000 }, async () => {
    const folder = join(disk, "task-0");
    const ballast = join(disk, "ballast");
    writeFileSync(ballast, Buffer.alloc(5_000_000));
    let store = await engine.open(folder);
    let acknowledged = 0;
    const failure = await writeUntilItFails(store, (n) => (acknowledged = n));
    expect(failure).toMatchObject({ code: "DISK_FULL", message: expect.stringContaining(folder) as string });
    await store.close().catch((error: unknown) => expect(error).toMatchObject({ code: "DISK_FULL" }));
    rmSync(ballast);
    store = await engine.open(folder);
    const batches = new Map<string, number>();
    for (const { key } of await scanned(store.scan({}))) {
      const batch = (text(key) as string).split("-")[0] as string;
      batches.set(batch, (batches.get(batch) ?? 0) + 1);
    }
    expect(batches.size).toBeGreaterThanOrEqual(acknowledged);
    expect([...batches.values()].every((rows) => rows === 20)).toBe(true);
    await store.write([{ key: bytes("after"), value: bytes("1") }]);
    expect(text(store.get(bytes("after")))).toBe("1");
    await store.close();
  });

  it("says DISK_FULL when it can't be opened for lack of space", async () => {
    try {
      writeFileSync(join(disk, "ballast"), Buffer.alloc(9_000_000));
    } catch (error) {
      expect(error).toMatchObject({ code: "ENOSPC" });
    }
    const folder = join(disk, "task-0");
    await expect(engine.open(folder)).rejects.toThrow(expect.objectContaining({ code: "DISK_FULL" }));
  });
});

async function writeUntilItFails(store: StateStore, acknowledged: (n: number) => void): Promise<unknown> {
  for (let n = 1; n < 10_000; n += 1) {
    try {
      await store.write(Array.from({ length: 20 }, (_, at) => ({ key: bytes(`${n}-${at}`), value: bytes(noise(n * 20 + at)) })));
      acknowledged(n);
    } catch (error) {
      return error;
    }
  }
  throw new Error("8 MB took more than 10,000 batches");
}

/** About 500 bytes that don't compress. */
function noise(seed: number): string {
  let state = seed + 1;
  let made = "";
  while (made.length < 500) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    made += state.toString(36);
  }
  return made;
}
