import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { localCheckpointStore } from "@reprise/checkpoint";
import { RowDigest, type RowWrite, type StoredRow } from "@reprise/engine";
import { rocksDbEngine } from "@reprise/state";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { main } from "../src/main.ts";
import { TestTerminal } from "./support/test-terminal.ts";

const deployment = "totals.v1.1";
let folder: string;
let place: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "reprise-cli-checkpoints-"));
  place = join(folder, "checkpoints");
  for (const partition of [0, 1]) {
    await whole(partition, 3, rows(100 + partition));
    await extended(partition, 7, [{ key: keyOf(5), value: null }]);
    await extended(partition, 9, [{ key: keyOf(6), value: Buffer.from("changed") }]);
  }
});

afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** As a row of slot 0 is stored. */
const keyOf = (at: number): Buffer => Buffer.concat([Buffer.from([1, 4]), Buffer.from(String(at).padStart(4, "0"))]);
const rows = (count: number): StoredRow[] =>
  Array.from({ length: count }, (_, at) => ({ key: keyOf(at), value: Buffer.from(`value ${at}`) }));

async function* of<R extends RowWrite>(some: readonly R[]): AsyncGenerator<readonly R[]> {
  yield some;
}

const metaOf = (partition: number, n: number, digest: string): string =>
  JSON.stringify({
    format: 1,
    deployment,
    partition,
    mode: "live",
    n,
    position: { payments: n * 10 },
    maxTimeMs: {},
    digest,
    deltaFrom: n,
  });

/** What the newest checkpoint of each task holds. */
const held = new Map<number, Map<string, StoredRow>>();

function digestOf(partition: number): string {
  const digest = new RowDigest(partition);
  for (const row of held.get(partition)?.values() ?? []) digest.add(row);
  return digest.hex;
}

async function whole(partition: number, n: number, some: readonly StoredRow[]): Promise<void> {
  held.set(partition, new Map(some.map((row) => [Buffer.from(row.key).toString("latin1"), row])));
  await localCheckpointStore({ folder: place }).write({ deployment, partition }, n, metaOf(partition, n, digestOf(partition)), of(some));
}

async function extended(partition: number, n: number, changes: readonly RowWrite[]): Promise<void> {
  const store = localCheckpointStore({ folder: place });
  const [onto] = await store.list({ deployment, partition });
  if (onto === undefined) throw new Error("there is none to extend");
  for (const { key, value } of changes) {
    const name = Buffer.from(key).toString("latin1");
    if (value === null) held.get(partition)?.delete(name);
    else held.get(partition)?.set(name, { key, value });
  }
  await store.extend(onto, n, metaOf(partition, n, digestOf(partition)), of(changes));
}

async function run(...args: string[]): Promise<{ status: number; terminal: TestTerminal }> {
  const terminal = new TestTerminal();
  return { status: await main(["checkpoints", ...args, "--checkpoints", place], terminal), terminal };
}

const segmentsOf = (partition: number): string[] =>
  readdirSync(join(place, deployment, String(partition), "segments")).map((name) =>
    join(place, deployment, String(partition), "segments", name),
  );

describe("reprise checkpoints list", () => {
  it("shows what there is of each task, newest first, and what it cost", async () => {
    const { status, terminal } = await run("list");
    expect(status).toBe(0);
    const lines = terminal.stdout.split("\n");
    expect(lines[0]).toMatch(/^deployment +task +commit +rows +size +stored for it +age$/);
    expect(lines[1]).toMatch(/^totals\.v1\.1 +0 +9 +102 +2\.\d kB +\d+ B +\d/);
    expect(lines.slice(1, 7).map((line) => line.split(/ +/).slice(1, 3).join("/"))).toEqual(["0/9", "0/7", "0/3", "1/9", "1/7", "1/3"]);
    const json = await run("list", deployment, "--partition", "1", "--json");
    expect((json.terminal.json as { checkpoints: object[] }).checkpoints).toMatchObject([
      { deployment, partition: 1, n: 9, rows: 103 },
      { n: 7, rows: 102 },
      { n: 3, rows: 101, changedBytes: 0 },
    ]);
  });

  it("says where there are none", async () => {
    const none = new TestTerminal();
    expect(await main(["checkpoints", "list", "--checkpoints", join(folder, "elsewhere")], none)).toBe(0);
    expect(none.stdout).toContain(`There are no checkpoints in ${join(folder, "elsewhere")}`);
    const { status, terminal } = await run("list", "totals.v9.1", "--partition", "4");
    expect(status).toBe(1);
    expect(terminal.stderr).toMatch(/^CHECKPOINT_MISSING: there are no checkpoints of task 4 of totals\.v9\.1 in /);
  });
});

describe("reprise checkpoints verify", () => {
  it("reads all of them, and gives the digest of each", async () => {
    const { status, terminal } = await run("verify", "--json");
    expect(status).toBe(0);
    const { ok, verified } = terminal.json as { ok: boolean; verified: { n: number; stateRows: number; digest: string }[] };
    expect(ok).toBe(true);
    expect(verified.map(({ n, stateRows }) => [n, stateRows])).toEqual([
      [9, 99],
      [7, 99],
      [3, 100],
      [9, 100],
      [7, 100],
      [3, 101],
    ]);
    expect(new Set(verified.map(({ digest }) => digest)).size).toBe(6);
  });

  it("names each that is damaged, and fails", async () => {
    // The segment of the changes of commit 9, and a manifest.
    const changed = segmentsOf(0).find((file) => readFileSync(file).includes("changed")) as string;
    const bytes = readFileSync(changed);
    bytes[9] = (bytes[9] as number) ^ 1;
    writeFileSync(changed, bytes);
    const manifests = join(place, deployment, "1", "manifests");
    const manifest = join(manifests, readdirSync(manifests).find((name) => Number.parseInt(name, 10) === 7) as string);
    writeFileSync(manifest, readFileSync(manifest, "utf8").replace('"n":7', '"n":8'));
    const { status, terminal } = await run("verify");
    expect(status).toBe(1);
    const lines = terminal.stdout.trimEnd().split("\n");
    expect(lines.filter((line) => line.startsWith("✓"))).toHaveLength(4);
    expect(lines.at(-1)).toBe("4 checkpoints verified, 2 not");
    expect(terminal.stdout).toContain(`✗ checkpoint 9 of task 0 of ${deployment}: The checkpoint ${changed} is corrupt`);
    expect(terminal.stdout).toContain(`✗ the manifest ${manifest} does not verify`);
    const json = await run("verify", "--json");
    expect(json.status).toBe(1);
    const { ok, verified, faults } = json.terminal.json as { ok: boolean; verified: object[]; faults: string[] };
    expect([ok, verified.length, faults.length]).toEqual([false, 4, 2]);
  });

  it("finds that rows are missing of one that is not listed any more", async () => {
    for (const file of segmentsOf(1)) rmSync(file);
    const { status, terminal } = await run("verify", deployment, "--partition", "1");
    expect(status).toBe(1);
    expect(terminal.stdout).toMatch(/it is missing(.|\n)*0 checkpoints verified, 3 not/);
  });
});

describe("reprise checkpoints restore", () => {
  it("makes the local stores of a worker, of the newest or the one that is named", async () => {
    const into = join(folder, "state");
    const { status, terminal } = await run("restore", deployment, "--into", into, "--json");
    expect(status).toBe(0);
    expect(terminal.json).toMatchObject({
      restored: [
        { n: 9, folder: join(into, "0") },
        { n: 9, folder: join(into, "1") },
      ],
    });
    const store = await rocksDbEngine().open(join(into, "1"));
    expect(Buffer.from(store.get(keyOf(6)) as Uint8Array).toString()).toBe("changed");
    expect(store.get(keyOf(5))).toBeUndefined();
    expect(JSON.parse(Buffer.from(store.get(Buffer.from([0])) as Uint8Array).toString())).toMatchObject({ n: 9, partition: 1 });
    await store.close();

    const again = await run("restore", deployment, "--into", into);
    expect(again.status).toBe(1);
    expect(again.terminal.stderr).toContain(`INVALID_ARGUMENT: ${join(into, "0")} is there already`);
    const older = join(folder, "older");
    expect((await run("restore", deployment, "--into", older, "--partition", "0", "--commit", "3")).status).toBe(0);
    const third = await rocksDbEngine().open(join(older, "0"));
    expect(Buffer.from(third.get(keyOf(6)) as Uint8Array).toString()).toBe("value 6");
    await third.close();
  });

  it("names what is not there", async () => {
    const { status, terminal } = await run("restore", deployment, "--into", join(folder, "state"), "--commit", "4");
    expect(status).toBe(1);
    expect(terminal.stderr).toContain(`CHECKPOINT_MISSING: task 0 of ${deployment} has no checkpoint 4 in ${place}; it has: 9, 7, 3`);
  });
});

describe("reprise checkpoints prune", () => {
  it("keeps the newest of each task; what they need stays, the rest goes at once only where that is asked for", async () => {
    const kept = await run("prune", "--keep", "1", "--json");
    expect(kept.terminal.json).toEqual({
      removed: [0, 1].flatMap((partition) => [7, 3].map((n) => ({ deployment, partition, n }))),
      objects: 0,
      bytes: 0,
    });
    // The changes of 7 are among those of 9.
    expect((await run("prune", "--keep", "1", "--now", "--json")).terminal.json).toEqual({ removed: [], objects: 0, bytes: 0 });
    const { terminal } = await run("list", "--json");
    expect((terminal.json as { checkpoints: { n: number }[] }).checkpoints.map(({ n }) => n)).toEqual([9, 9]);
    expect((await run("verify")).status).toBe(0);
    await whole(0, 12, rows(3));
    const replaced = await run("prune", deployment, "--partition", "0", "--keep", "1", "--now");
    expect(replaced.terminal.stdout).toMatch(/removed 1 checkpoint, deleted 3 objects of \d\.\d kB/);
    expect(segmentsOf(0)).toHaveLength(1);
    expect(segmentsOf(1)).toHaveLength(3);
  });
});
