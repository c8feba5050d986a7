import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localCheckpointStore } from "@reprise/checkpoint";
import type { CheckpointManifest } from "@reprise/engine";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startChild } from "../../../test/support/child-process.ts";
import { canMount, mountSmallDisk } from "../../../test/support/small-disk.ts";
import { FolderObjects } from "../src/internal/folder-objects.ts";
import { checkpointConformance } from "./store-conformance.ts";
import { chunks, collect, keyOf, of, rowText } from "./support.ts";

const task = { deployment: "fraud-1", partition: 3 };
const writerFile = join(import.meta.dirname, "children/endless-writer.ts");

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "reprise-checkpoint-"));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

describe("the checkpoint store in a folder", () => {
  checkpointConformance(async () => new FolderObjects(folder));

  it("says which folder can't be written", async () => {
    writeFileSync(join(folder, "file"), "");
    await expect(localCheckpointStore({ folder: join(folder, "file") }).write(task, 1, "{}", chunks(1))).rejects.toThrow(
      expect.objectContaining({ code: "CHECKPOINT_FAILED", message: expect.stringContaining(folder) as string }),
    );
  });

  it("leaves no file open when reading is given up", async () => {
    const store = localCheckpointStore({ folder });
    const manifest = await store.write(task, 1, "{}", chunks(50_000));
    const open = (): number => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0);
    const before = open();
    for (let round = 0; round < 20; round += 1) for await (const _ of store.read(manifest)) break;
    expect(open()).toBeLessThan(before + 10);
  });
});

describe("a writer that dies", () => {
  const childTask = { deployment: "d", partition: 0 };

  it("leaves only whole checkpoints, wherever it is killed; what else it left is collected", { timeout: 120_000 }, async () => {
    const store = localCheckpointStore({ folder });
    let first = 1;
    for (let round = 0; round < 6; round += 1) {
      const child = startChild(writerFile, folder, String(first));
      // In the middle of the rows, or somewhere around the end of a checkpoint.
      await child.until((line) => line === `${round % 2 === 0 ? "half" : "done"} ${first + round}`);
      await child.kill();
      const acknowledged = Math.max(0, ...child.lines.filter((line) => line.startsWith("done")).map((line) => Number(line.split(" ")[1])));
      const manifests = await store.list(childTask);
      expect(manifests[0]?.n ?? 0).toBeGreaterThanOrEqual(acknowledged);
      expect(manifests.map(({ n }) => n)).toEqual(Array.from({ length: manifests.length }, (_, at) => manifests.length - at));
      for (const manifest of manifests) await expectRowsOf(manifest);
      first = manifests.length + 1;
    }
    const segments = (): string[] => readdirSync(join(folder, "d", "0", "segments"));
    const needed = new Set((await store.list(childTask)).flatMap(({ runs }) => runs.flat().map(({ sha256 }) => sha256)));
    // Otherwise no kill hit the middle of a write, and this proved little.
    expect(segments().length).toBeGreaterThan(needed.size);
    await store.collect(childTask, { leftovers: true, graceMs: 0 });
    expect(segments().sort()).toEqual([...needed].sort());
    for (const manifest of await store.list(childTask)) await expectRowsOf(manifest);
  });

  /** Every third one is whole, the others change every second row of the first chunk: see the child. */
  async function expectRowsOf(manifest: CheckpointManifest): Promise<void> {
    const rows = await collect(localCheckpointStore({ folder }).read(manifest));
    expect(rows).toHaveLength(20_000);
    const expected = Array.from({ length: 20_000 }, (_, at) => {
      let n = manifest.n;
      while (n % 3 !== 1 && (at >= 1_000 || at % 2 !== 0)) n -= 1;
      return `${keyOf(at).toString()}=${`${n} `.repeat(150)}`;
    });
    expect(rows.map(rowText)).toEqual(expected);
  }
});

describe.skipIf(!canMount())("a full disk", () => {
  it("is called DISK_FULL; what was there stays, and half of the new one is no checkpoint", async () => {
    const disk = await mountSmallDisk(8);
    try {
      const small = localCheckpointStore({ folder: disk.folder });
      const manifest = await small.write(task, 1, "{}", chunks(1_000));
      const full = expect.objectContaining({
        code: "DISK_FULL",
        message: expect.stringContaining(join(disk.folder, "fraud-1", "3")) as string,
      });
      await expect(small.write(task, 2, "{}", chunks(200_000))).rejects.toThrow(full);
      expect(await small.list(task)).toEqual([manifest]);
      expect(await collect(small.read(manifest))).toHaveLength(1_000);
      await small.collect(task, { leftovers: true, graceMs: 0 });
      const next = await small.extend(manifest, 2, "{}", of([{ key: keyOf(1), value: null }]));
      expect(await small.list(task)).toEqual([next, manifest]);
    } finally {
      await disk.unmount();
    }
  });
});

it("names its files by what they hold, so that a person finds them", async () => {
  const store = localCheckpointStore({ folder });
  await store.write(task, 12, "{}", chunks(10));
  expect(readdirSync(join(folder, "fraud-1", "3"))).toEqual(["manifests", "segments"]);
  expect(readdirSync(join(folder, "fraud-1", "3", "manifests"))).toEqual([expect.stringMatching(/^0{14}12-[0-9a-f]{16}\.json$/)]);
  const { manifest } = JSON.parse(
    readFileSync(join(folder, "fraud-1/3/manifests", readdirSync(join(folder, "fraud-1/3/manifests"))[0] as string), "utf8"),
  ) as {
    manifest: { runs: [[{ sha256: string }]] };
  };
  expect(readdirSync(join(folder, "fraud-1", "3", "segments"))).toEqual([manifest.runs[0][0].sha256]);
});

it("of a million rows of which a thousand changed, a checkpoint stores less than a hundredth", { timeout: 300_000 }, async () => {
  const store = localCheckpointStore({ folder });
  const value = (at: number): string => `a value of some forty bytes, number ${at}`;
  const base = await store.write(task, 1, "{}", chunks(1_000_000, value));
  const stored = (): number => {
    const files = readdirSync(join(folder, "fraud-1", "3"), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  };
  const whole = stored();
  const changes = Array.from({ length: 1_000 }, (_, at) => ({ key: keyOf((at * 7_919) % 1_000_000), value: Buffer.from(`changed ${at}`) }));
  const next = await store.extend(base, 2, "{}", of(changes));
  // Of all files, the manifest too.
  expect((stored() - whole) / whole).toBeLessThan(1 / 100);
  const read = new Map<string, string>();
  let rows = 0;
  for await (const chunk of store.read(next)) {
    rows += chunk.length;
    for (const row of chunk)
      if (Buffer.from(row.value).toString().startsWith("changed")) read.set(Buffer.from(row.key).toString(), rowText(row));
  }
  expect(rows).toBe(1_000_000);
  expect(read.size).toBe(1_000);
  for (const row of changes) expect(read.get(row.key.toString())).toBe(rowText(row));
});
