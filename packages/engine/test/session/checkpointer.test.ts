import {
  type CheckpointManifest,
  deltaTopicOf,
  type DeploymentSpec,
  encodeDelta,
  type RowWrite,
  type SessionOptions,
  type StoredRow,
  systemClock,
  type TaskMeta,
} from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { beforeEach, describe, expect, test } from "vitest";
import { extendCheckpoint, shipCheckpoint, writeCheckpoint } from "../../src/session/checkpointer.ts";
import type { RunningTask } from "../../src/session/running-task.ts";
import { RowBuffer } from "../../src/state/row-buffer.ts";
import { RowDigest } from "../../src/state/row-digest.ts";
import { metaRowKey, rowKey } from "../../src/state/row-key.ts";
import { encodeMeta } from "../../src/task/task-meta.ts";
import { MemoryEngine } from "../support/memory-store.ts";
import { Random } from "../support/random.ts";
import { SimCheckpoints, SimCluster, SimProcess, SimReader } from "../support/sim-cluster.ts";
import { newMeta } from "../support/task-run.ts";

const id = "p.v1.1";
const task = { deployment: id, partition: 0 };
const delta = { topic: deltaTopicOf(id), partition: 0 };
const marker = { kind: "marker", key: null, value: null, timestampMs: 0, headers: [] } as const;
const never = (): boolean => false;

/** A live task as far as checkpoints see it: what its rows are is known beside it, commit by commit. */
class Commits {
  readonly rows = new Map<string, StoredRow>();
  meta: TaskMeta = { ...newMeta(), deployment: id, mode: "live" };
  readonly cluster: SimCluster;

  constructor(cluster: SimCluster) {
    this.cluster = cluster;
  }

  commit(changes: readonly (readonly [key: string, value: string | null])[]): void {
    const before = this.meta;
    const buffer = new RowBuffer();
    for (const [name, value] of changes) {
      const key = rowKey(0, Buffer.from(name), undefined);
      buffer.beginRow(0, Buffer.from(name), undefined);
      buffer.endRow(value === null ? null : Buffer.from(value));
      if (value === null) this.rows.delete(name);
      else this.rows.set(name, { key, value: Buffer.from(value) });
    }
    this.meta = { ...before, n: before.n + 1, position: { input: before.n + 1 }, digest: this.digest() };
    const records = encodeDelta(before, this.meta, Buffer.from(buffer.bytes.subarray(0, buffer.length)));
    this.cluster.append(delta, ...records.map((value) => ({ ...marker, kind: "record" as const, value })), marker);
  }

  /** As `beginCheckpoint` gives it: all deltas up to n lie below `deltaFrom`. */
  get now(): TaskMeta {
    return { ...this.meta, deltaFrom: this.cluster.partition(delta).entries.length };
  }

  private digest(): string {
    const digest = new RowDigest(0);
    for (const row of this.rows.values()) digest.add(row);
    return digest.hex;
  }

  get texts(): string[] {
    return [...this.rows.values()].map(textOf).sort();
  }
}

const textOf = ({ key, value }: RowWrite): string =>
  `${Buffer.from(key).toString("latin1")}=${Buffer.from(value as Uint8Array).toString()}`;

let cluster: SimCluster;
let checkpoints: SimCheckpoints;
let commits: Commits;
let options: SessionOptions;
/** What was written how, in order. */
let calls: string[];

beforeEach(() => {
  cluster = new SimCluster(1);
  cluster.createTopic(delta.topic, 1);
  checkpoints = new SimCheckpoints();
  calls = [];
  const { write, extend } = SimCheckpoints.prototype;
  let extending = false;
  checkpoints.write = async (...args) => {
    if (!extending) calls.push(`whole ${args[1]}`);
    return await write.apply(checkpoints, args);
  };
  checkpoints.extend = async (...args) => {
    extending = true;
    try {
      const manifest = await extend.apply(checkpoints, args);
      calls.push(`${args[0].n} to ${args[1]}`);
      return manifest;
    } finally {
      extending = false;
    }
  };
  const process = new SimProcess(cluster);
  commits = new Commits(cluster);
  options = {
    clock: systemClock,
    spec: { id } as DeploymentSpec,
    systemReader: new SimReader(process),
    offsets: process.offsets,
    checkpoints,
    limits: { keptCheckpoints: 2 },
  } as unknown as SessionOptions;
});

const extend = (): ReturnType<typeof extendCheckpoint> => extendCheckpoint(options, commits.now, commits.now.deltaFrom, never, {});

async function whole(meta = commits.now): Promise<void> {
  const store = await new MemoryEngine().open("store");
  await store.write([...commits.rows.values(), { key: metaRowKey, value: encodeMeta(meta) }]);
  await writeCheckpoint(checkpoints, store, meta, 2);
}

async function newest(): Promise<{ readonly manifest: CheckpointManifest; readonly texts: string[] }> {
  const [manifest] = await checkpoints.list(task);
  if (manifest === undefined) throw new Error("there is none");
  const texts: string[] = [];
  for await (const chunk of checkpoints.read(manifest)) texts.push(...chunk.map(textOf));
  return { manifest, texts: texts.sort() };
}

describe("a checkpoint is extended", () => {
  test("by exactly what changed between two commits, over many of them, with the meta of the last", async () => {
    const random = new Random(3);
    const change = (): readonly [string, string | null] => [`k${random.below(30)}`, random.chance(0.3) ? null : `v${random.below(1_000)}`];
    commits.commit(Array.from({ length: 20 }, change));
    await whole();
    for (let round = 0; round < 40; round++) {
      const n = 1 + random.below(6);
      for (let i = 0; i < n; i++) commits.commit(Array.from({ length: random.below(8) }, change));
      expect(await extend()).toMatchObject({ kind: "changes" });
      const { manifest, texts } = await newest();
      expect(texts).toEqual(commits.texts);
      expect(manifest.n).toBe(commits.meta.n);
      expect(JSON.parse(manifest.meta)).toEqual(commits.now);
    }
    expect(calls.filter((call) => call.startsWith("whole"))).toEqual(["whole 1"]);
    expect(await checkpoints.list(task)).toHaveLength(2);
  });

  test("by whoever runs the task now, from where the last one was, also when commits went on while the store was away", async () => {
    commits.commit([["a", "1"]]);
    await whole();
    checkpoints.extend = async () => {
      throw new RepriseError("CHECKPOINT_FAILED", "the store is away");
    };
    for (let i = 0; i < 50; i++) {
      commits.commit([["b", `${i}`]]);
      await expect(extend()).rejects.toThrow(expect.objectContaining({ code: "CHECKPOINT_FAILED" }));
    }
    checkpoints.extend = SimCheckpoints.prototype.extend.bind(checkpoints);
    // Another process: it knows nothing but what Kafka and the store have.
    options = { ...options, systemReader: new SimReader(new SimProcess(cluster)) };
    expect(await extend()).toMatchObject({ kind: "changes" });
    expect((await newest()).texts).toEqual(commits.texts);
  });

  test("not at all when nothing was committed since", async () => {
    commits.commit([["a", "1"]]);
    await whole();
    expect(await extend()).toEqual({ kind: "changes", bytes: 0 });
    expect(calls).toEqual(["whole 1"]);
  });

  test("not when deltas that are given up on the way are all there is", async () => {
    commits.commit([["a", "1"]]);
    await whole();
    cluster.partition(delta).stable = cluster.partition(delta).entries.length;
    commits.commit([["b", "2"]]);
    // Decided, and not readable yet: it is waited for, until the task is closed.
    cluster.partition(delta).stable = 2;
    let asked = 0;
    await expect(extendCheckpoint(options, commits.now, commits.now.deltaFrom, () => ++asked > 3, {})).rejects.toThrow();
    expect(calls).toEqual(["whole 1"]);
  });
});

describe("a whole copy is asked for", () => {
  beforeEach(async () => {
    commits.commit([["a", "1"]]);
  });

  test("when there is no checkpoint", async () => {
    expect(await extend()).toBe("whole");
  });

  test("when the newest one is of a later commit than the task's", async () => {
    await whole({ ...commits.now, n: 9 });
    expect(await extend()).toBe("whole");
  });

  test("when a delta since then is gone", async () => {
    await whole();
    commits.commit([["b", "2"]]);
    commits.commit([["c", "3"]]);
    cluster.partition(delta).logStart = 4;
    expect(await extend()).toBe("whole");
    expect(calls).toEqual(["whole 1"]);
  });

  test("when the deltas follow another state than the checkpoint's, or lead to another one than the task's", async () => {
    const { meta } = commits;
    await whole();
    const setMeta = (text: string): void => {
      const [entry] = [...checkpoints.all.values()] as unknown as [{ manifest: CheckpointManifest; rows: StoredRow[] }];
      checkpoints.all.clear();
      checkpoints.all.set(`${id} 0 ${meta.n} ${text}`, { ...entry, manifest: { ...entry.manifest, meta: text } });
    };
    setMeta(JSON.stringify({ ...meta, digest: "1".repeat(32) }));
    commits.commit([["b", "2"]]);
    expect(await extend()).toBe("whole");
    setMeta(JSON.stringify(meta));
    expect(await extendCheckpoint(options, { ...commits.now, digest: "2".repeat(32) }, commits.now.deltaFrom, never, {})).toBe("whole");
    expect(calls.filter((call) => call.includes("to"))).toEqual([]);
    expect(await extend()).toMatchObject({ kind: "changes" });
  });

  test("when as much has changed as half of it", async () => {
    await whole();
    const [entry] = [...checkpoints.all.values()] as unknown as [{ manifest: { bytes: number; changedBytes?: number } }];
    entry.manifest.bytes = 10 << 20;
    commits.commit([["b", "x".repeat(4 << 20)]]);
    expect(await extend()).toMatchObject({ kind: "changes" });
    const [later] = (await checkpoints.list(task)) as unknown as [{ bytes: number; changedBytes?: number }];
    later.bytes = 14 << 20;
    later.changedBytes = 4 << 20;
    commits.commit([["c", "x".repeat(2 << 20)]]);
    expect(await extend()).toBe("whole");
  });

  test("and none is written of a store whose rows are not the task's; that store is not opened again", async () => {
    const store = await new MemoryEngine().open("store");
    const meta = commits.now;
    await store.write([
      { key: rowKey(0, Buffer.from("a"), undefined), value: Buffer.from("2") },
      { key: metaRowKey, value: encodeMeta(meta) },
    ]);
    const running = { task: { meta }, store, closing: false, wholeCheckpoint: true } as unknown as RunningTask;
    await expect(shipCheckpoint(options, running, commits.now.deltaFrom)).rejects.toThrow(
      expect.objectContaining({ code: "STATE_CORRUPT" }),
    );
    expect(await checkpoints.list(task)).toEqual([]);
    expect(store.get(metaRowKey)).toBeUndefined();
  });
});
