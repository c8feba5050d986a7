import { readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localCheckpointStore } from "@reprise/checkpoint";
import type { CheckpointManifest, CheckpointStore, StoredRow } from "@reprise/engine";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startChild } from "../../../test/support/child-process.ts";
import { canMount, mountSmallDisk } from "../../../test/support/small-disk.ts";

const task = { deployment: "fraud-1", partition: 3 };
const corrupt = expect.objectContaining({ code: "CHECKPOINT_CORRUPT" });
const writerFile = join(import.meta.dirname, "children/endless-writer.ts");

let folder: string;
let store: CheckpointStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "reprise-checkpoint-"));
  store = localCheckpointStore({ folder });
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe("the local checkpoint store", () => {
  it("reads back what was written, in order, and says what it is", async () => {
    const before = Date.now();
    const manifest = await store.write(task, 7, '{"position":1}', chunks(2_500));
    expect(manifest).toMatchObject({ format: 1, ...task, n: 7, meta: '{"position":1}', rows: 2_500 });
    expect(manifest.createdAtMs).toBeGreaterThanOrEqual(before);
    expect(manifest.sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(await store.list(task)).toEqual([manifest]);
    expect(await rowTexts(manifest)).toEqual((await collect(chunks(2_500))).map(rowText));
  });

  it("keeps a state without rows, rows without values, and rows larger than a read", async () => {
    const empty = await store.write(task, 0, "{}", chunks(0));
    expect(empty).toMatchObject({ rows: 0, bytes: 0 });
    expect(await rowTexts(empty)).toEqual([]);
    const odd = [
      { key: Buffer.from("a"), value: Buffer.alloc(0) },
      { key: Buffer.from("b"), value: Buffer.alloc(5_000_000, 7) },
      { key: Buffer.alloc(0), value: Buffer.from("c") },
    ];
    const manifest = await store.write(task, 1, "{}", of(odd));
    const read = await collect(store.read(manifest));
    expect(read.map(({ key, value }) => [key.length, value.length])).toEqual([
      [1, 0],
      [1, 5_000_000],
      [0, 1],
    ]);
    expect(Buffer.compare(read[1]?.value as Uint8Array, odd[1]?.value as Uint8Array)).toBe(0);
  });

  it("lists the newest first, and every task by itself", async () => {
    for (const n of [2, 10, 9]) await store.write(task, n, "{}", chunks(n));
    await store.write({ ...task, partition: 30 }, 1, "{}", chunks(1));
    await store.write({ ...task, deployment: "fraud" }, 4, "{}", chunks(1));
    expect((await store.list(task)).map(({ n }) => n)).toEqual([10, 9, 2]);
    expect((await store.list({ ...task, partition: 30 })).map(({ n }) => n)).toEqual([1]);
    expect(await store.list({ ...task, partition: 31 })).toEqual([]);
  });

  it("keeps two of the same n side by side, and one of the same content once", async () => {
    // Two processes that both take the task for theirs write its base.
    const one = await store.write(task, 0, "at 5", chunks(10));
    const other = await store.write(task, 0, "at 7", chunks(20));
    const sameRows = await store.write(task, 0, "at 9", chunks(20));
    await store.write(task, 0, "at 7", chunks(20));
    const byMeta = (all: readonly CheckpointManifest[]) => all.map(({ meta }) => meta).sort();
    expect(byMeta(await store.list(task))).toEqual(["at 5", "at 7", "at 9"]);
    expect(taskFiles()).toHaveLength(6);
    await store.remove(sameRows);
    expect([await rowTexts(one), await rowTexts(other)].map(({ length }) => length)).toEqual([10, 20]);
    await store.remove(one);
    expect(byMeta(await store.list(task))).toEqual(["at 7"]);
    expect(await rowTexts(other)).toHaveLength(20);
  });

  it("removes one, and all of a deployment, and may be told so twice", async () => {
    const manifests = [await store.write(task, 1, "{}", chunks(5)), await store.write(task, 2, "{}", chunks(6))];
    await store.write({ ...task, deployment: "other" }, 1, "{}", chunks(1));
    await store.remove(manifests[0] as CheckpointManifest);
    await store.remove(manifests[0] as CheckpointManifest);
    expect(await store.list(task)).toEqual([manifests[1]]);
    expect(taskFiles()).toHaveLength(2);
    await store.removeDeployment(task.deployment);
    await store.removeDeployment(task.deployment);
    expect(await store.list(task)).toEqual([]);
    expect(await store.list({ ...task, deployment: "other" })).toHaveLength(1);
  });

  it("writes tasks at the same time, and one task at the same time, without harm", async () => {
    await Promise.all([1, 2, 3, 4].map((n) => store.write(task, n, "{}", chunks(3_000))));
    await Promise.all([5, 6].map((partition) => store.write({ ...task, partition }, 1, "{}", chunks(100))));
    const manifests = await store.list(task);
    expect(manifests.map(({ n }) => n)).toEqual([4, 3, 2, 1]);
    for (const manifest of manifests) expect(await rowTexts(manifest)).toHaveLength(3_000);
  });

  it("passes on the error of the rows' source, keeps what was, and leaves no file", async () => {
    const manifest = await store.write(task, 1, "{}", chunks(10));
    const files = taskFiles();
    async function* failing(): AsyncGenerator<StoredRow[]> {
      yield [{ key: Buffer.from("a"), value: Buffer.from("b") }];
      throw new Error("the source broke");
    }
    await expect(store.write(task, 1, "{}", failing())).rejects.toThrow(
      expect.objectContaining({ code: "CHECKPOINT_FAILED", message: expect.stringContaining("the source broke") as string }),
    );
    expect(await store.list(task)).toEqual([manifest]);
    expect(taskFiles()).toEqual(files);
  });

  it("gives an iteration up in the middle without leaving the file open", async () => {
    const manifest = await store.write(task, 1, "{}", chunks(50_000));
    const open = (): number => readdirSync("/proc/self/fd").length;
    const before = process.platform === "linux" ? open() : 0;
    for (let round = 0; round < 20; round += 1) for await (const _ of store.read(manifest)) break;
    if (process.platform === "linux") expect(open()).toBeLessThan(before + 10);
  });

  it("says which folder can't be written", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(localCheckpointStore({ folder: join(folder, "file") }).write(task, 1, "{}", chunks(1))).rejects.toThrow(
      expect.objectContaining({ code: "CHECKPOINT_FAILED", message: expect.stringContaining(folder) as string }),
    );
  });
});

describe("a damaged checkpoint", () => {
  it("is never read to its end when any bit of its rows was flipped", async () => {
    const manifest = await store.write(task, 1, "{}", chunks(40));
    const path = taskFile(".rows");
    const content = readFileSync(path);
    for (let bit = 0; bit < content.length * 8; bit += 37) {
      const damaged = Buffer.from(content);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      writeFileSync(path, damaged);
      await expect(collect(store.read(manifest)), `bit ${bit}`).rejects.toThrow(corrupt);
    }
    writeFileSync(path, content);
    expect(await rowTexts(manifest)).toHaveLength(40);
  });

  it("is not listed when any bit of its manifest was flipped", async () => {
    const manifest = await store.write(task, 1, '{"position":12345}', chunks(4));
    const path = taskFile(".json");
    const content = readFileSync(path);
    // The line end at its end means nothing.
    for (let bit = 0; bit < (content.length - 1) * 8; bit += 1) {
      const damaged = Buffer.from(content);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      writeFileSync(path, damaged);
      expect(await store.list(task), `bit ${bit}`).toEqual([]);
    }
    writeFileSync(path, content);
    expect(await store.list(task)).toEqual([manifest]);
  });

  it("is neither listed nor read when it was cut off or made longer", async () => {
    const manifest = await store.write(task, 1, "{}", chunks(40));
    const path = taskFile(".rows");
    const content = readFileSync(path);
    for (const size of [0, 1, content.length >> 1, content.length - 1]) {
      truncateSync(path, size);
      expect(await store.list(task)).toEqual([]);
      await expect(collect(store.read(manifest))).rejects.toThrow(corrupt);
      writeFileSync(path, content);
    }
    writeFileSync(path, Buffer.concat([content, Buffer.of(0)]));
    expect(await store.list(task)).toEqual([]);
    await expect(collect(store.read(manifest))).rejects.toThrow(corrupt);
    truncateSync(taskFile(".json"), 20);
    expect(await store.list(task)).toEqual([]);
  });

  it("does not exist without its rows or without its manifest, and an older one is still there", async () => {
    const older = await store.write(task, 1, "{}", chunks(40));
    const newer = await store.write(task, 2, "{}", chunks(50));
    rmSync(join(taskFolder(), taskFiles().find((name) => /^2-.*rows$/.test(name)) as string));
    expect(await store.list(task)).toEqual([older]);
    await expect(collect(store.read(newer))).rejects.toThrow(
      expect.objectContaining({ code: "CHECKPOINT_CORRUPT", message: expect.stringContaining("missing") as string }),
    );
    rmSync(join(taskFolder(), taskFiles().find((name) => /^1-.*json$/.test(name)) as string));
    expect(await store.list(task)).toEqual([]);
  });

  it("of another task is not taken for this task's", async () => {
    await store.write(task, 1, "{}", chunks(4));
    const own = await store.write({ ...task, partition: 4 }, 1, "{}", chunks(5));
    for (const name of taskFiles()) writeFileSync(join(folder, task.deployment, "4", name), readFileSync(join(taskFolder(), name)));
    expect(await store.list({ ...task, partition: 4 })).toEqual([own]);
  });
});

describe("a writer that dies", () => {
  const childTask = { deployment: "d", partition: 0 };

  it("leaves only whole checkpoints, wherever it is killed, and the next write removes the rest", { timeout: 60_000 }, async () => {
    let first = 1;
    let leftovers = 0;
    for (let round = 0; round < 6; round += 1) {
      const child = startChild(writerFile, folder, String(first));
      // In the middle of the rows, or somewhere around the end of a checkpoint.
      await child.until((line) => line === `${round % 2 === 0 ? "half" : "done"} ${first + round}`);
      await child.kill();
      const acknowledged = Math.max(0, ...child.lines.filter((line) => line.startsWith("done")).map((line) => Number(line.split(" ")[1])));
      const manifests = await store.list(childTask);
      expect(manifests[0]?.n ?? 0).toBeGreaterThanOrEqual(acknowledged);
      expect(manifests.map(({ n }) => n)).toEqual(Array.from({ length: manifests.length }, (_, at) => manifests.length - at));
      for (const manifest of manifests) expect(await rowTexts(manifest)).toHaveLength(2_000);
      first = manifests.length + 1;
      leftovers += readdirSync(join(folder, "d", "0")).filter((name) => name.endsWith(".tmp")).length;
    }
    // Otherwise no kill hit the middle of a write, and this proved little.
    expect(leftovers).toBeGreaterThan(0);
    await store.write(childTask, first, "{}", chunks(1));
    const names = readdirSync(join(folder, "d", "0"));
    expect(names.filter((name) => name.endsWith(".tmp"))).toEqual([]);
    expect(names).toHaveLength(2 * (await store.list(childTask)).length);
  });

  it("loses its leftovers only once it is dead", { timeout: 60_000 }, async () => {
    const child = startChild(writerFile, folder, "1", "pause");
    await child.until((line) => line === "half 1");
    const temporary = (): string[] => readdirSync(join(folder, "d", "0")).filter((name) => name.endsWith(".tmp"));
    const before = temporary();
    expect(before).toHaveLength(1);
    await store.write(childTask, 1_000_000, "{}", chunks(1));
    expect(temporary()).toEqual(before);
    await child.kill();
    await store.write(childTask, 1_000_001, "{}", chunks(1));
    expect(temporary()).toEqual([]);
  });
});

describe.skipIf(!canMount())("a full disk", () => {
  it("is called DISK_FULL; what was there stays, and half of the new one does not", async () => {
    const disk = await mountSmallDisk(4);
    try {
      const small = localCheckpointStore({ folder: disk.folder });
      const manifest = await small.write(task, 1, "{}", chunks(1_000));
      await expect(small.write(task, 2, "{}", chunks(100_000))).rejects.toThrow(
        expect.objectContaining({ code: "DISK_FULL", message: expect.stringContaining(join(disk.folder, "fraud-1", "3")) as string }),
      );
      expect(await small.list(task)).toEqual([manifest]);
      expect(readdirSync(join(disk.folder, "fraud-1", "3"))).toHaveLength(2);
      expect(await collect(small.read(manifest))).toHaveLength(1_000);
      await small.write(task, 2, "{}", chunks(1_000));
      expect(await small.list(task)).toHaveLength(2);
    } finally {
      await disk.unmount();
    }
  });
});

async function* chunks(rows: number): AsyncGenerator<StoredRow[]> {
  for (let at = 0; at < rows; at += 1_000) {
    yield Array.from({ length: Math.min(1_000, rows - at) }, (_, i) => ({
      key: Buffer.from(`key-${at + i}`),
      value: Buffer.from(`value of ${at + i} `.repeat(1 + ((at + i) % 5))),
    }));
  }
}

async function* of(rows: readonly StoredRow[]): AsyncGenerator<readonly StoredRow[]> {
  yield rows;
}

async function collect(source: AsyncIterable<readonly StoredRow[]>): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  for await (const chunk of source) rows.push(...chunk);
  return rows;
}

const rowText = ({ key, value }: StoredRow): string => `${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`;
const rowTexts = async (manifest: CheckpointManifest): Promise<string[]> => (await collect(store.read(manifest))).map(rowText);
const taskFolder = (): string => join(folder, task.deployment, String(task.partition));
const taskFiles = (): string[] => readdirSync(taskFolder()).filter((name) => statSync(join(taskFolder(), name)).isFile());
const taskFile = (ending: string): string => join(taskFolder(), taskFiles().find((name) => name.endsWith(ending)) as string);
