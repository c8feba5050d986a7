import {
  type CheckpointManifest,
  type CommitRecord,
  ControlLogTail,
  controlTopic,
  deltaTopicOf,
  type DeploymentSpec,
  type DroppedStore,
  encodeCommitRecord,
  encodeDelta,
  groupOf,
  type SessionOptions,
  type StoredRow,
  systemClock,
  type TaskMeta,
  defaultLimits,
} from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { beforeEach, describe, expect, test } from "vitest";
import { openTaskStore } from "../../src/session/open-task.ts";
import { addDigest, digestFromHex, digestToHex, hash128, hashResult } from "../../src/state/digest.ts";
import { RowBuffer } from "../../src/state/row-buffer.ts";
import { metaRowKey, rowKey } from "../../src/state/row-key.ts";
import { decodeMeta, encodeMeta } from "../../src/task/task-meta.ts";
import { MemoryEngine, type MemoryStore } from "../support/memory-store.ts";
import { SimCheckpoints, SimCluster, SimProcess, SimReader } from "../support/sim-cluster.ts";
import { silentObserver } from "../support/sim-worker.ts";
import { newMeta } from "../support/task-run.ts";

const id = "p.v1.1";
const zero = "0".repeat(32);
const marker = { kind: "marker", key: null, value: null, timestampMs: 0, headers: [] } as const;

/** A task that adds one row per commit; what it was after each. */
interface History {
  readonly metas: TaskMeta[];
  readonly deltas: Buffer[][];
  readonly rows: StoredRow[];
}

function history(commits: number, from: { position: number; deltaFrom?: number } = { position: 0 }): History {
  const first: TaskMeta = { ...newMeta(), deployment: id, position: { input: from.position }, deltaFrom: from.deltaFrom ?? 0 };
  const metas = [first];
  const deltas: Buffer[][] = [];
  const rows: StoredRow[] = [];
  for (let n = 1; n <= commits; n++) {
    const buffer = new RowBuffer();
    const at = buffer.beginRow(0, Buffer.from(`key${n}`), undefined);
    buffer.endRow(Buffer.from(`value${n}`));
    hash128(buffer.bytes, at, buffer.length, 0);
    const before = metas[n - 1] as TaskMeta;
    const sum = digestFromHex(before.digest);
    addDigest(sum, hashResult);
    const after: TaskMeta = { ...before, n, position: { input: from.position + n * 10 }, digest: digestToHex(sum) };
    metas.push(after);
    deltas.push(encodeDelta(before, after, Buffer.from(buffer.bytes.subarray(0, buffer.length))));
    rows.push({ key: rowKey(0, Buffer.from(`key${n}`), undefined), value: Buffer.from(`value${n}`) });
  }
  return { metas, deltas, rows };
}

let cluster: SimCluster;
let engine: MemoryEngine;
let checkpoints: SimCheckpoints;
let options: SessionOptions;
let past: History;
const spec = {
  id,
  processor: "p",
  version: 1,
  artifact: "a".repeat(64),
  inputs: [{ topic: "input", topicId: "id-of-input", partitions: 1 }],
  maxSlots: 1,
  start: "earliest",
} as unknown as DeploymentSpec;

async function setUp(publishes: boolean): Promise<void> {
  cluster = new SimCluster(1);
  for (const topic of [controlTopic, "input", deltaTopicOf(id)]) cluster.createTopic(topic, 1);
  engine = new MemoryEngine();
  checkpoints = new SimCheckpoints();
  past = history(5);
  for (let n = 0; n < 60; n++) cluster.append({ topic: "input", partition: 0 }, { ...marker, kind: "record" });
  cluster.control({ type: "DeploymentCreated", deployment: spec, publishes });
  if (!publishes) cluster.control({ type: "DeploymentCreated", deployment: { ...spec, id: "p.v0.1" }, publishes: true });
  const process = new SimProcess(cluster);
  const systemReader = new SimReader(process);
  const control = new ControlLogTail(systemReader, process.offsets);
  await control.readToEnd();
  options = {
    clock: systemClock,
    spec,
    groupOffsets: process.groupOffsets,
    offsets: process.offsets,
    systemReader,
    control,
    stateEngine: engine,
    stateFolder: "state",
    checkpoints,
    limits: defaultLimits,
    observer: silentObserver,
  } as unknown as SessionOptions;
}

const commitRecord = (meta: TaskMeta, more: Partial<CommitRecord> = {}): CommitRecord => ({
  format: 1,
  n: meta.n,
  mode: meta.mode,
  position: meta.position,
  digest: meta.digest,
  outputs: zero,
  streamTimeMs: null,
  publishing: true,
  topicIds: {},
  artifact: "a",
  control: 1,
  ...more,
});

function committed(meta: TaskMeta, more: Partial<CommitRecord> = {}): void {
  cluster.committed.set(`${groupOf(id)} input 0`, {
    offset: meta.position["input"] as number,
    metadata: encodeCommitRecord(commitRecord(meta, more)),
  });
}

function deltas(...ns: number[]): void {
  for (const n of ns)
    cluster.append(
      { topic: deltaTopicOf(id), partition: 0 },
      ...(past.deltas[n - 1] as Buffer[]).map((value) => ({ ...marker, kind: "record" as const, value })),
      marker,
    );
}

async function local(meta: TaskMeta, rows: readonly StoredRow[]): Promise<void> {
  const store = await engine.open("state/0");
  await store.write([...rows, { key: metaRowKey, value: encodeMeta(meta) }]);
  await store.close();
}

async function checkpoint(n: number, damage?: "rows" | "digest" | "meta", deltaFrom = n * 2): Promise<CheckpointManifest> {
  // A delta takes two entries of the log: itself and a marker.
  const meta = { ...(past.metas[n] as TaskMeta), deltaFrom };
  const rows = damage === "rows" ? past.rows.slice(0, n - 1) : past.rows.slice(0, n);
  const text = damage === "meta" ? "{}" : encodeMeta(damage === "digest" ? { ...meta, digest: zero } : meta).toString();
  return await checkpoints.write(
    { deployment: id, partition: 0 },
    n,
    text,
    (async function* () {
      yield rows;
    })(),
  );
}

const stored = (store: unknown): { [key: string]: string } => {
  const entries = [...(store as MemoryStore).rows.values()].filter(({ key }) => !metaRowKey.equals(Buffer.from(key)));
  return Object.fromEntries(entries.map(({ key, value }) => [Buffer.from(key).toString("latin1").slice(2), Buffer.from(value).toString()]));
};
const rowsUpTo = (n: number): { [key: string]: string } =>
  Object.fromEntries(Array.from({ length: n }, (_, i) => [`key${i + 1}`, `value${i + 1}`]));

async function failure(work: Promise<unknown>): Promise<RepriseError> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (!RepriseError.is(error)) throw new Error(`expected a failure, got ${String(error)}`);
  return error;
}

describe("a task without a commit record", () => {
  test("of the first deployment is live at n = 0, empty, from where the log begins", async () => {
    await setUp(true);
    cluster.partition({ topic: "input", partition: 0 }).logStart = 7;
    const opened = await openTaskStore(options, 0);
    expect(opened).toMatchObject({
      storeIsEmpty: true,
      recorded: false,
      meta: { mode: "live", n: 0, position: { input: 7 }, digest: zero },
    });
  });

  test("of the first deployment forgets a store that was never decided", async () => {
    await setUp(true);
    await local(past.metas[0] as TaskMeta, past.rows.slice(0, 2));
    const opened = await openTaskStore(options, 0);
    expect([opened.storeIsEmpty, stored(opened.store)]).toEqual([true, {}]);
  });

  test("of a later deployment builds from where the log begins", async () => {
    await setUp(false);
    expect(await openTaskStore(options, 0)).toMatchObject({ storeIsEmpty: true, meta: { mode: "building", n: 0, position: { input: 0 } } });
  });

  test("goes on building from its local store, or from a base that was not decided", async () => {
    await setUp(false);
    const at = { ...(past.metas[2] as TaskMeta), n: 0, mode: "building" as const };
    await local(at, past.rows.slice(0, 2));
    const opened = await openTaskStore(options, 0);
    expect(opened).toMatchObject({ meta: { mode: "building", position: { input: 20 } }, how: "local store" });
    await opened.store.close();
    engine.folders.clear();
    await checkpoints.write(
      { deployment: id, partition: 0 },
      0,
      encodeMeta({ ...at, mode: "live" }).toString(),
      (async function* () {
        yield past.rows.slice(0, 2);
      })(),
    );
    const restored = await openTaskStore(options, 0);
    expect(restored).toMatchObject({ meta: { mode: "building", position: { input: 20 } }, how: "checkpoint 0" });
    expect(stored(restored.store)).toEqual(rowsUpTo(2));
    // The same again after a restart: its store came from a checkpoint that says live.
    await restored.store.close();
    expect(await openTaskStore(options, 0)).toMatchObject({ meta: { mode: "building", n: 0 }, how: "local store" });
  });

  test.each([true, false])("refuses when a local store knows of commits (publishes from its start: %s)", async (publishes) => {
    await setUp(publishes);
    await local(past.metas[3] as TaskMeta, past.rows.slice(0, 3));
    const { code, message } = await failure(openTaskStore(options, 0));
    expect([code, message]).toEqual(["DELTAS_LOST", expect.stringContaining("committed offsets are gone")]);
    expect(engine.open_.size).toBe(0);
  });

  test.each([true, false])("refuses when a checkpoint knows of commits (publishes from its start: %s)", async (publishes) => {
    await setUp(publishes);
    await checkpoint(3);
    expect((await failure(openTaskStore(options, 0))).message).toContain("committed offsets are gone");
  });
});

describe("a live task", () => {
  beforeEach(() => setUp(true));

  test("goes on from a local store that stands at its commit record", async () => {
    committed(past.metas[3] as TaskMeta);
    await local(past.metas[3] as TaskMeta, past.rows.slice(0, 3));
    const opened = await openTaskStore(options, 0);
    expect(opened).toMatchObject({ meta: past.metas[3], how: "local store", recorded: true, storeIsEmpty: false });
  });

  test.each([1, 2, 4])("brings a local store of commit %i up to its commit record by deltas", async (n) => {
    committed(past.metas[5] as TaskMeta);
    deltas(1, 2, 3, 4, 5);
    await local(past.metas[n] as TaskMeta, past.rows.slice(0, n));
    const opened = await openTaskStore(options, 0);
    expect(opened).toMatchObject({ meta: past.metas[5], how: `local store + ${5 - n} deltas` });
    expect(stored(opened.store)).toEqual(rowsUpTo(5));
    expect(decodeMeta(opened.store.get(metaRowKey) as Uint8Array)).toEqual(past.metas[5]);
  });

  test("waits for deltas that become readable after their commit record does", async () => {
    committed(past.metas[5] as TaskMeta);
    deltas(1, 2, 3, 4, 5);
    const log = cluster.partition({ topic: deltaTopicOf(id), partition: 0 });
    log.stable = 4;
    setTimeout(() => {
      log.stable = log.entries.length;
      cluster.changed();
    }, 20);
    expect(await openTaskStore(options, 0)).toMatchObject({ meta: past.metas[5], how: "empty state + 5 deltas" });
  });

  test("drops a local store that is newer than its commit record, and begins anew", async () => {
    committed(past.metas[2] as TaskMeta);
    deltas(1, 2, 3);
    await local(past.metas[3] as TaskMeta, past.rows.slice(0, 3));
    const opened = await openTaskStore(options, 0);
    expect(opened).toMatchObject({ meta: past.metas[2], how: "empty state + 2 deltas" });
    expect(stored(opened.store)).toEqual(rowsUpTo(2));
  });

  test.each(["another deployment's", "another task's", "unreadable", "corrupt"])("drops a local store that is %s", async (what) => {
    committed(past.metas[2] as TaskMeta);
    deltas(1, 2);
    const meta = past.metas[2] as TaskMeta;
    await local(
      what === "another deployment's" ? { ...meta, deployment: "x" } : what === "another task's" ? { ...meta, partition: 9 } : meta,
      past.rows,
    );
    if (what === "unreadable") engine.folders.get("state/0")?.set("\0", { key: metaRowKey, value: Buffer.from("?") });
    if (what === "corrupt") {
      let first = true;
      engine.onOpen = (_folder, store) => {
        if (first) store.failNextGet = new RepriseError("STATE_CORRUPT", "a block has a wrong checksum");
        first = false;
      };
    }
    const opened = await openTaskStore(options, 0);
    expect(opened).toMatchObject({ meta: past.metas[2], how: "empty state + 2 deltas" });
    expect(stored(opened.store)).toEqual(rowsUpTo(2));
  });

  test("takes the newest checkpoint that verifies, and as few deltas as that needs", async () => {
    committed(past.metas[5] as TaskMeta);
    deltas(1, 2, 3, 4, 5);
    await checkpoint(2);
    await checkpoint(4);
    expect(await openTaskStore(options, 0)).toMatchObject({ meta: past.metas[5], how: "checkpoint 4 + 1 deltas" });
  });

  test.each(["rows", "digest", "meta"] as const)("takes the one before when the newest is damaged in its %s", async (damage) => {
    committed(past.metas[5] as TaskMeta);
    deltas(1, 2, 3, 4, 5);
    await checkpoint(2);
    await checkpoint(4, damage);
    const opened = await openTaskStore(options, 0);
    expect(opened).toMatchObject({ meta: past.metas[5], how: "checkpoint 2 + 3 deltas" });
    expect(stored(opened.store)).toEqual(rowsUpTo(5));
  });

  test("does not take a checkpoint beyond its commit record", async () => {
    committed(past.metas[3] as TaskMeta);
    deltas(1, 2, 3);
    await checkpoint(4);
    await checkpoint(1);
    expect(await openTaskStore(options, 0)).toMatchObject({ meta: past.metas[3], how: "checkpoint 1 + 2 deltas" });
  });

  test("jumps over no delta: a gap discards the base", async () => {
    committed(past.metas[5] as TaskMeta);
    deltas(1, 2, 4, 5);
    await checkpoint(1);
    await checkpoint(3, undefined, 2);
    expect(await openTaskStore(options, 0)).toMatchObject({ meta: past.metas[5], how: "checkpoint 3 + 2 deltas" });
    await checkpoints.removeDeployment(id);
    await checkpoint(1);
    expect((await failure(openTaskStore({ ...options, stateFolder: "other" }, 0))).message).toContain("delta 3 is missing, 4 follows");
  });

  test("takes no delta of another history", async () => {
    committed(past.metas[5] as TaskMeta);
    const other = { ...(past.metas[3] as TaskMeta), digest: "f".repeat(32) };
    deltas(1, 2, 3, 4, 5);
    await local(other, past.rows.slice(0, 3));
    const opened = await openTaskStore(options, 0);
    expect(opened).toMatchObject({ meta: past.metas[5], how: "empty state + 5 deltas" });
  });

  test.each([
    ["damaged", (log: { entries: { value: Buffer | null }[] }) => (log.entries[4] as { value: Buffer }).value.fill(0xff, 5, 9)],
    ["of another format", (log: { entries: { value: Buffer | null }[] }) => ((log.entries[4] as { value: Buffer }).value[0] = 9)],
    [
      "cut off",
      (log: { entries: { value: Buffer | null }[] }) =>
        ((log.entries[4] as { value: Buffer }).value = (log.entries[4] as { value: Buffer }).value.subarray(0, -3)),
    ],
  ])("tries the next base when a delta is %s", async (_what, damage) => {
    committed(past.metas[5] as TaskMeta);
    deltas(1, 2, 3, 4, 5);
    await checkpoint(4);
    await local(past.metas[1] as TaskMeta, past.rows.slice(0, 1));
    damage(cluster.partition({ topic: deltaTopicOf(id), partition: 0 }) as never);
    expect(await openTaskStore(options, 0)).toMatchObject({ meta: past.metas[5], how: "checkpoint 4 + 1 deltas" });
  });

  test("tries the next base when deltas are deleted under its hands", async () => {
    committed(past.metas[5] as TaskMeta);
    deltas(1, 2, 3, 4, 5);
    await checkpoint(4);
    await local(past.metas[1] as TaskMeta, past.rows.slice(0, 1));
    let reads = 0;
    const { systemReader } = options;
    const take = systemReader.take.bind(systemReader);
    systemReader.take = (at) => {
      if (at.topic === deltaTopicOf(id) && reads++ === 0) throw new RepriseError("INPUT_TRUNCATED", "the log begins at 6");
      return take(at);
    };
    expect(await openTaskStore(options, 0)).toMatchObject({ meta: past.metas[5], how: "checkpoint 4 + 1 deltas" });
  });

  test("refuses when nothing leads to its commit record, and says why for each base; nothing stays open", async () => {
    committed(past.metas[5] as TaskMeta);
    deltas(1, 2, 3, 4);
    await local(past.metas[3] as TaskMeta, past.rows.slice(0, 3));
    await checkpoint(2);
    const { code, message, details } = await failure(openTaskStore(options, 0));
    expect(code).toBe("DELTAS_LOST");
    expect(message).toContain("local store: delta 5 is missing");
    expect(message).toContain("checkpoint 2: delta 5 is missing");
    expect(message).toContain("empty state: delta 5 is missing");
    expect(details).toEqual({ deployment: id, partition: 0, n: 5 });
    expect(engine.open_.size).toBe(0);
  });

  test("of which two processes have written a base goes on from the one that leads to its commit record", async () => {
    const other = history(2, { position: 5 });
    const theirs = { ...(other.metas[2] as TaskMeta), n: 0 };
    const base = async (meta: TaskMeta, rows: readonly StoredRow[]): Promise<unknown> =>
      checkpoints.write(
        { deployment: id, partition: 0 },
        0,
        encodeMeta(meta).toString(),
        (async function* () {
          yield rows;
        })(),
      );
    await base(past.metas[0] as TaskMeta, []);
    await base(theirs, other.rows);
    committed(theirs);
    const first = await openTaskStore(options, 0);
    expect(first.meta).toMatchObject({ n: 0, position: { input: 25 } });
    await first.store.close();
    committed(past.metas[2] as TaskMeta);
    deltas(1, 2);
    expect(await openTaskStore(options, 0)).toMatchObject({ meta: past.metas[2] });
  });

  test("that was committed anew while it was opened is opened by that commit", async () => {
    // Frozen after it had read the commit record: the owner since then went on, took a checkpoint, and truncated what lies below.
    committed(past.metas[2] as TaskMeta);
    deltas(1, 2, 3, 4);
    cluster.partition({ topic: deltaTopicOf(id), partition: 0 }).logStart = 8;
    await checkpoint(4);
    const { groupOffsets } = options;
    const slow = {
      committed: async (...asked: Parameters<typeof groupOffsets.committed>) => {
        const found = await groupOffsets.committed(...asked);
        committed(past.metas[4] as TaskMeta);
        return found;
      },
    };
    expect(await openTaskStore({ ...options, groupOffsets: slow }, 0)).toMatchObject({ meta: { n: 4 }, how: "checkpoint 4" });
  });

  test("refuses a state of another digest, or at another position, than its commit record says", async () => {
    committed({ ...(past.metas[3] as TaskMeta), digest: "e".repeat(32) });
    deltas(1, 2, 3);
    expect((await failure(openTaskStore(options, 0))).message).toContain("its digest is");
    committed({ ...(past.metas[3] as TaskMeta), position: { input: 31 } });
    expect((await failure(openTaskStore(options, 0))).message).toContain("it stands at input@30, the commit record at 31");
  });

  test("at n = 0 stands where it was committed, not where the log begins by now", async () => {
    committed({ ...(past.metas[0] as TaskMeta), position: { input: 7 } });
    const log = cluster.partition({ topic: "input", partition: 0 });
    log.logStart = 7;
    expect(await openTaskStore(options, 0)).toMatchObject({ meta: { n: 0, position: { input: 7 } }, how: "empty state" });
    log.logStart = 8;
    const { code, message } = await failure(openTaskStore({ ...options, stateFolder: "other" }, 0));
    expect([code, message]).toEqual(["INPUT_TRUNCATED", `task 0 of ${id} has to go on at input-0@7, and the log begins at 8 by now`]);
  });

  test("does not go on at a log that was cut off, that is another one, or that is gone", async () => {
    committed(past.metas[3] as TaskMeta, { topicIds: { input: "id-of-input" } });
    await local(past.metas[3] as TaskMeta, past.rows.slice(0, 3));
    const input = cluster.topics.get("input") as { id: string; partitions: { entries: unknown[] }[] };
    input.partitions[0]?.entries.splice(29);
    expect(await failure(openTaskStore(options, 0))).toMatchObject({
      code: "INPUT_TRUNCATED",
      message: `task 0 of ${id} has to go on at input-0@30, and the log ends at 29: it was cut off`,
      details: { topic: "input", partition: 0, position: 30, earliest: 0, end: 29 },
    });
    cluster.topics.set("input", { ...input, id: "another" } as never);
    expect((await failure(openTaskStore(options, 0))).code).toBe("TOPIC_RECREATED");
    cluster.topics.delete("input");
    expect((await failure(openTaskStore(options, 0))).code).toBe("TOPIC_MISSING");
    expect(engine.open_.size).toBe(0);
  });

  test("leaves no store open when it can't be opened", async () => {
    committed(past.metas[5] as TaskMeta);
    deltas(1, 2, 3, 4, 5);
    await local(past.metas[3] as TaskMeta, past.rows.slice(0, 3));
    engine.onOpen = (_folder, store) => {
      store.write = () => Promise.reject(new RepriseError("DISK_FULL", "no space left"));
    };
    expect((await failure(openTaskStore(options, 0))).code).toBe("DISK_FULL");
    engine.onOpen = (_folder, store) => {
      store.failNextGet = new RepriseError("STATE_FAILED", "too many open files");
    };
    expect((await failure(openTaskStore(options, 0))).code).toBe("STATE_FAILED");
    engine.onOpen = undefined;
    expect(engine.open_.size).toBe(0);
    expect(await openTaskStore(options, 0)).toMatchObject({ meta: past.metas[5] });
  });

  test("of a deployment that did not publish from its start has no empty state to begin with", async () => {
    await setUp(false);
    committed(past.metas[2] as TaskMeta);
    deltas(1, 2);
    expect((await failure(openTaskStore(options, 0))).message).toContain("there is none");
  });

  test("is given up on while it waits for deltas that don't come, when its worker is to stop", async () => {
    committed(past.metas[5] as TaskMeta);
    deltas(1, 2, 3, 4, 5);
    cluster.partition({ topic: deltaTopicOf(id), partition: 0 }).stable = 2;
    let stopping = false;
    setTimeout(() => (stopping = true), 20);
    await expect(openTaskStore(options, 0, () => stopping)).rejects.toThrow("stopped while it was waiting");
    expect(engine.open_.size).toBe(0);
  });
});

describe("a local store that can't be believed", () => {
  const dropped: DroppedStore[] = [];
  beforeEach(async () => {
    await setUp(true);
    dropped.length = 0;
    (options as { observer: unknown }).observer = {
      ...silentObserver,
      storeDropped: (_: number, what: DroppedStore) => void dropped.push(what),
    };
    committed(past.metas[5] as TaskMeta);
    deltas(1, 2, 3, 4, 5);
    await checkpoint(2);
  });

  test("is used when a scan proves it, where the engine asks for that", async () => {
    engine.provenByScan = true;
    await local(past.metas[5] as TaskMeta, past.rows);
    expect(await openTaskStore(options, 0)).toMatchObject({ how: "local store" });
    expect(dropped).toEqual([]);
  });

  test("is dropped when a row is missing, and restored", async () => {
    engine.provenByScan = true;
    await local(past.metas[5] as TaskMeta, past.rows.slice(1));
    const opened = await openTaskStore(options, 0);
    expect([opened.how, stored(opened.store)]).toEqual(["checkpoint 2 + 3 deltas", rowsUpTo(5)]);
    expect(dropped).toEqual([{ reason: "digest", message: expect.stringContaining(past.metas[5]?.digest as string) as string }]);
  });

  test("is no base when it turns out to be damaged while deltas are applied to it", async () => {
    await local(past.metas[3] as TaskMeta, past.rows.slice(0, 3));
    engine.onOpen = (_folder, store) => {
      engine.onOpen = undefined;
      store.write = () => Promise.reject(new RepriseError("STATE_CORRUPT", "a block has a wrong checksum"));
    };
    const opened = await openTaskStore(options, 0);
    expect([opened.how, stored(opened.store)]).toEqual(["checkpoint 2 + 3 deltas", rowsUpTo(5)]);
  });

  test.each(["STATE_CORRUPT", "STATE_OTHER_ENGINE"] as const)("is dropped for %s, and restored", async (reason) => {
    await local(past.metas[5] as TaskMeta, past.rows);
    let refuse = true;
    const open = engine.open.bind(engine);
    engine.open = async (folder) => {
      if (!refuse) return await open(folder);
      refuse = false;
      throw new RepriseError(reason, `the store in ${folder} is of no use`);
    };
    const opened = await openTaskStore(options, 0);
    expect([opened.how, stored(opened.store)]).toEqual(["checkpoint 2 + 3 deltas", rowsUpTo(5)]);
    expect(dropped).toEqual([{ reason, message: "the store in state/0 is of no use" }]);
  });
});

describe("the control log", () => {
  beforeEach(() => setUp(true));

  test("that is shorter than a commit record knows is refused", async () => {
    committed(past.metas[0] as TaskMeta, { control: 99 });
    expect((await failure(openTaskStore(options, 0))).code).toBe("CONTROL_LOST");
  });

  test("is read on when another worker had read further before it committed", async () => {
    cluster.control({ type: "DeploymentStateChanged", deployment: id, state: "Serving" });
    const end = cluster.partition({ topic: controlTopic, partition: 0 }).entries.length;
    expect(options.control.position).toBeLessThan(end);
    committed(past.metas[0] as TaskMeta, { control: end });
    expect(await openTaskStore(options, 0)).toMatchObject({ meta: { n: 0 } });
  });
});

test("an offset that somebody else committed is refused", async () => {
  await setUp(true);
  cluster.committed.set(`${groupOf(id)} input 0`, { offset: 5, metadata: "" });
  expect((await failure(openTaskStore(options, 0))).code).toBe("DECLARATION_CONFLICT");
});
