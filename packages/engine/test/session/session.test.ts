import {
  type CommitRecord,
  controlTopic,
  deadLetterTopicOf,
  decodeCommitRecord,
  deltaTopicOf,
  type DeploymentSpec,
  type DroppedStore,
  groupOf,
  partitionForKey,
  type SessionLimits,
  type SessionObserver,
  type Task,
  transactionalIdOf,
} from "@reprise/engine";
import { key, processor, state, topic } from "@reprise/processor";
import { json, RepriseError, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import type { MemoryStore, Rows } from "../support/memory-store.ts";
import { type Fate, SimCluster, type SimCheckpoint, type SimEntry, SimGroup, type SimWriter } from "../support/sim-cluster.ts";
import { type SimDeployment, SimWorker } from "../support/sim-worker.ts";
import { compiled } from "../support/task-run.ts";

const user = key("user", s.string);
const Value = s.record("Value", { n: s.long });

function make(version: number, inputs: readonly string[] = ["values"]): unknown {
  const declared = Object.fromEntries(inputs.map((name) => [name, topic(name, { key: user, value: json(Value) })]));
  const on = (v: { n: number }, ctx: any): void => {
    const kept = { n: v.n };
    ctx.state.last.set(kept);
    if (v.n === 666) (kept as { n: unknown }).n = "changed after it was set";
    ctx.out.out.emit(`v${version} ${ctx.record.topic} ${v.n}`);
  };
  return processor({
    name: "p",
    version,
    key: user,
    inputs: declared,
    outputs: { out: topic("out", { key: user, value: s.string }) },
    state: { last: state.value(Value) },
  } as never).handle({ on: Object.fromEntries(inputs.map((name) => [name, on])) } as never);
}

class World {
  readonly cluster = new SimCluster(1);
  readonly checkpoints = new Map<string, SimCheckpoint>();
  readonly disk = new Map<string, Rows>();
  readonly workers: SimWorker[] = [];
  readonly partitions: number;

  constructor(partitions = 1, inputs: readonly string[] = ["values"]) {
    this.partitions = partitions;
    this.cluster.createTopic(controlTopic, 1);
    for (const name of [...inputs, "out", deadLetterTopicOf("p")]) this.cluster.createTopic(name, partitions);
  }

  deploy(version: number, publishes: boolean, inputs: readonly string[] = ["values"], commitIntervalMs = 2): SimDeployment {
    const id = `p.v${version}.1`;
    const { partitions } = this;
    const spec: DeploymentSpec = {
      id,
      processor: "p",
      version,
      artifact: "a".repeat(64),
      manifest: {},
      params: {},
      inputs: inputs.map((name) => ({ topic: name, topicId: `id-of-${name}`, partitions })),
      workers: 1,
      maxSlots: 1,
      start: "earliest",
      commitIntervalMs,
    };
    this.cluster.createTopic(deltaTopicOf(id), partitions);
    this.cluster.control({ type: "DeploymentCreated", deployment: spec, publishes });
    return { spec, processor: compiled(make(version, inputs)), group: new SimGroup(partitions) };
  }

  start(
    deployment: SimDeployment,
    more: {
      fate?: () => Fate;
      observer?: Partial<SessionObserver>;
      disk?: Map<string, Rows>;
      onOpen?: (store: MemoryStore, folder: string) => void;
      nowMs?: () => number;
      limits?: Partial<SessionLimits>;
    } = {},
  ): SimWorker {
    const worker = new SimWorker({
      cluster: this.cluster,
      deployment,
      slot: 0,
      checkpoints: this.checkpoints,
      disk: more.disk ?? this.disk,
      limits: { buildingCommitIntervalMs: 2, ...more.limits },
      fate: more.fate ?? (() => "committed"),
      nowMs: more.nowMs ?? (() => Number.MAX_SAFE_INTEGER),
      ...(more.observer === undefined ? {} : { observer: more.observer }),
      ...(more.onOpen === undefined ? {} : { onOpen: more.onOpen }),
    });
    this.workers.push(worker);
    return worker;
  }

  /** One that the outputs of this task go by, too. */
  private keyOf(partition: number): Buffer {
    for (let i = 0; ; i++) {
      const bytes = Buffer.from(`k${i}`);
      if (partitionForKey(bytes, this.partitions) === partition) return bytes;
    }
  }

  put(n: number, partition = 0, name = "values", user?: string): void {
    const entry: SimEntry = {
      kind: "record",
      key: user === undefined ? this.keyOf(partition) : Buffer.from(user),
      value: Buffer.from(JSON.stringify({ n })),
      timestampMs: 1000 + n,
      headers: [],
    };
    this.cluster.append({ topic: name, partition }, entry);
  }

  record(id: string, partition = 0): CommitRecord | undefined {
    const found = this.cluster.committed.get(`${groupOf(id)} values ${partition}`);
    return found === undefined ? undefined : decodeCommitRecord(found.metadata);
  }

  out(partition = 0): string[] {
    const { entries } = this.cluster.partition({ topic: "out", partition });
    return entries.filter(({ kind }) => kind === "record").map(({ value }) => (value as Buffer).toString());
  }
}

const marker: SimEntry = { kind: "marker", key: null, value: null, timestampMs: 0, headers: [] };
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(holds: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000;
  while (!holds()) {
    if (performance.now() > deadline) throw new Error(`waited for ${holds.toString()}`);
    await pause(1);
  }
}

describe("a session", () => {
  test("publishes what comes, commits, and ends when it is told to, with its store at its commit record", async () => {
    const world = new World();
    const v1 = world.deploy(1, true);
    const worker = world.start(v1);
    for (let n = 0; n < 5; n++) world.put(n);
    await until(() => world.record("p.v1.1")?.position["values"] === 5);
    await worker.stop();
    expect(world.out()).toEqual([0, 1, 2, 3, 4].map((n) => `v1 values ${n}`));
    const opened: string[] = [];
    const again = world.start(v1, { observer: { taskOpened: (_p, how) => opened.push(how) } });
    await until(() => opened.length === 1);
    expect(opened).toEqual(["local store"]);
    await again.stop();
  });

  test("ends as retired when its deployment is to be", async () => {
    const world = new World();
    const worker = world.start(world.deploy(1, true));
    await until(() => world.record("p.v1.1") !== undefined);
    world.cluster.control({ type: "DeploymentStateChanged", deployment: "p.v1.1", state: "Retiring" });
    expect(await worker.done).toBe("retired");
  });

  test("a follower goes live where it has caught up with the publisher, not where it begins", async () => {
    const world = new World();
    const v1 = world.start(world.deploy(1, true));
    for (let n = 0; n < 50; n++) world.put(n);
    await until(() => world.record("p.v1.1")?.position["values"] === 50);
    let position: unknown;
    const observer = { wentLive: () => (position = worker.session?.tasks.get(0)?.task.position) };
    const worker = world.start(world.deploy(2, false), { observer, disk: new Map() });
    // The record is there first, the base reaches the store after it, and then it is told.
    await until(() => world.record("p.v2.1")?.mode === "live" && position !== undefined);
    expect(position).toEqual({ values: 50 });
    const [base] = [...world.checkpoints.values()].filter(({ manifest }) => manifest.deployment === "p.v2.1");
    expect(JSON.parse(base?.manifest.meta ?? "{}")).toMatchObject({ n: 0, mode: "live", position: { values: 50 } });
    await v1.stop();
    await worker.stop();
  });

  test("a checkpoint does not say that deltas begin behind those of the task's next owner", async () => {
    const world = new World();
    const deployment = world.deploy(1, true);
    const deltas = world.cluster.partition({ topic: deltaTopicOf("p.v1.1"), partition: 0 });
    const worker = new SimWorker({
      cluster: world.cluster,
      deployment,
      slot: 0,
      checkpoints: world.checkpoints,
      disk: world.disk,
      limits: { checkpointIntervalMs: 1 },
      fate: () => {
        // What another process commits after our commit and before our checkpoint.
        setImmediate(() => {
          for (let i = 0; i < 5; i++) world.cluster.append({ topic: deltaTopicOf("p.v1.1"), partition: 0 }, { ...marker });
        });
        return "committed";
      },
      nowMs: () => Number.MAX_SAFE_INTEGER,
    });
    for (let n = 1; n <= 4; n++) {
      world.put(n);
      await until(() => [...world.checkpoints.values()].some(({ manifest }) => manifest.n === n));
    }
    const own = deltas.entries.flatMap(({ kind }, offset) => (kind === "record" ? [offset] : []));
    const begins = [...world.checkpoints.values()].map(({ manifest }) => {
      const { n, deltaFrom } = JSON.parse(manifest.meta) as { n: number; deltaFrom: number };
      return { n, isBehindItsOwn: deltaFrom > (own[n - 1] as number) + 1, isZero: deltaFrom === 0 };
    });
    expect(begins.at(-1)).toEqual({ n: 4, isBehindItsOwn: false, isZero: false });
    expect(begins.filter(({ isBehindItsOwn }) => isBehindItsOwn)).toEqual([]);
    await worker.stop();
  });

  test("a follower that goes live leaves the base of another process alone, which may be the one that counts", async () => {
    const world = new World();
    const v1 = world.start(world.deploy(1, true));
    world.put(1);
    await until(() => world.record("p.v1.1")?.position["values"] === 1);
    const manifest = {
      format: 1,
      deployment: "p.v2.1",
      partition: 0,
      n: 0,
      meta: "{}",
      rows: 0,
      bytes: 0,
      writtenBytes: 0,
      sha256: "",
      createdAtMs: 0,
    } as const;
    for (const meta of ["{}", "[]"]) world.checkpoints.set(`p.v2.1 0 0 ${meta}`, { manifest: { ...manifest, meta }, rows: [] });
    const worker = world.start(world.deploy(2, false), { disk: new Map() });
    await until(() => world.record("p.v2.1")?.mode === "live");
    expect([...world.checkpoints.values()].filter(({ manifest }) => manifest.deployment === "p.v2.1")).toHaveLength(3);
    await v1.stop();
    await worker.stop();
  });

  test("a follower reads an input that the publisher does not, and lives on after the cut", async () => {
    const world = new World(1, ["values", "extra"]);
    const v1 = world.start(world.deploy(1, true));
    for (let n = 0; n < 5; n++) world.put(n);
    for (let n = 0; n < 5; n++) world.put(n, 0, "extra");
    await until(() => world.record("p.v1.1")?.position["values"] === 5);
    const v2 = world.start(world.deploy(2, false, ["values", "extra"]), { disk: new Map() });
    await until(() => world.record("p.v2.1")?.position["extra"] === 5 && world.record("p.v2.1")?.position["values"] === 5);
    await v1.stop();
    await v2.stop();
  });

  test("a follower goes live although a record of an input of its own always waits for its time", async () => {
    const world = new World(1, ["values", "extra", "more"]);
    const v1 = world.start(world.deploy(1, true));
    for (let n = 0; n < 5; n++) world.put(n);
    for (let n = 0; n < 5; n++) world.put(n * 1_000, 0, "extra");
    await until(() => world.record("p.v1.1")?.position["values"] === 5);
    // The first two of `extra` are old enough; the third is held back for `more`, from which something older may come.
    const v2 = world.start(world.deploy(2, false, ["values", "extra", "more"]), { disk: new Map(), nowMs: () => 3_000 });
    await until(() => world.record("p.v2.1")?.mode === "live");
    expect(world.record("p.v2.1")?.position).toEqual({ values: 5, extra: 2, more: 0 });
    await v1.stop();
    await v2.stop();
  });

  test("a cutover that is forced upon a deployment that builds: each output once, also when it dies", async () => {
    const world = new World();
    const v1 = world.start(world.deploy(1, true));
    for (let n = 0; n < 20; n++) world.put(n);
    await until(() => world.record("p.v1.1")?.position["values"] === 20);
    const d2 = world.deploy(2, false);
    const disk = new Map<string, Rows>();
    // It would stay behind: nothing of v1's is readable for it before the cut.
    const base = {
      type: "CutoverIntended",
      cutover: "c",
      kind: "cutover",
      processor: "p",
      from: "p.v1.1",
      to: "p.v2.1",
      forced: ["not-caught-up"],
    } as const;
    world.cluster.control(base);
    world.cluster.fence(transactionalIdOf("p.v1.1", 0));
    world.cluster.control({
      type: "CutDecided",
      cutover: "c",
      processor: "p",
      from: "p.v1.1",
      to: "p.v2.1",
      at: { values: [20] },
    } as never);
    let v2 = world.start(d2, { disk });
    for (let n = 20; n < 60; n++) {
      world.put(n);
      await pause(2);
      if (n % 7 !== 0) continue;
      v2.kill();
      v2 = world.start(d2, { disk });
    }
    await until(() => world.record("p.v2.1")?.position["values"] === 60);
    expect(world.out()).toEqual(Array.from({ length: 60 }, (_, n) => `v${n < 20 ? 1 : 2} values ${n}`));
    await v2.stop();
    v1.kill();
  });

  test("goes on while its commit is on its way: queries see what was committed, nothing more is produced before it is decided", async () => {
    const world = new World();
    const worker = world.start(world.deploy(1, true));
    await until(() => worker.session?.tasks.get(0)?.committed === true);
    const { writer } = (worker.session as unknown as { options: { writer: SimWriter } }).options;
    const [produce, commit] = [writer.produce.bind(writer), writer.commit.bind(writer)];
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let commits = 0;
    let produced = 0;
    writer.produce = (...all) => {
      produced++;
      produce(...all);
    };
    writer.commit = async (offsets) => {
      if (commits++ === 0) await gate;
      return await commit(offsets);
    };
    world.put(0);
    await until(() => commits === 1);
    const before = produced;
    for (let n = 1; n < 50; n++) world.put(n);
    const task = (): Task => worker.session?.tasks.get(0)?.task as Task;
    await until(() => task().position["values"] === 50);
    await pause(20);
    const key = Buffer.from("k0");
    const shown = (): unknown => task().state.committedSingle(0, key);
    expect([commits, produced, task().meta.position, shown(), world.out()]).toEqual([1, before, { values: 0 }, undefined, []]);
    release();
    await until(() => world.record("p.v1.1")?.position["values"] === 50 && task().meta.position["values"] === 50);
    expect([commits, shown()]).toEqual([2, { n: 49 }]);
    expect(world.out()).toEqual(Array.from({ length: 50 }, (_, n) => `v1 values ${n}`));
    await worker.stop();
  });

  test("drops what it processed on top of a commit that is aborted", async () => {
    const world = new World();
    const worker = world.start(world.deploy(1, true));
    await until(() => worker.session?.tasks.get(0)?.committed === true);
    const { writer } = (worker.session as unknown as { options: { writer: SimWriter } }).options;
    const commit = writer.commit.bind(writer);
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let commits = 0;
    writer.commit = async (offsets) => {
      if (commits++ > 0) return await commit(offsets);
      await gate;
      return await writer.abort();
    };
    world.put(0);
    await until(() => commits === 1);
    for (let n = 1; n < 20; n++) world.put(n);
    await until(() => worker.session?.tasks.get(0)?.task.position["values"] === 20);
    release();
    await until(() => world.record("p.v1.1")?.position["values"] === 20);
    expect(world.out()).toEqual(Array.from({ length: 20 }, (_, n) => `v1 values ${n}`));
    await worker.stop();
  });

  test("one task that can't commit leaves the others alone", async () => {
    const world = new World(2);
    const failed: unknown[] = [];
    const worker = world.start(world.deploy(1, true), { observer: { taskFailed: (partition, error) => failed.push([partition, error]) } });
    world.put(1, 0);
    world.put(1, 1);
    await until(() => world.out(0).length + world.out(1).length === 2);
    world.put(666, 0);
    await until(() => failed.length > 0);
    for (let n = 2; n < 9; n++) world.put(n, 1);
    await until(() => world.record("p.v1.1", 1)?.position["values"] === 8);
    expect(failed).toEqual([[0, expect.objectContaining({ code: "HANDLER_FAILED" })]]);
    expect(world.record("p.v1.1", 0)?.position).toEqual({ values: 1 });
    await worker.stop();
    expect(worker.ends).toEqual(["stopped"]);
  });

  test.each(["aborted", "in-doubt"] as const)("one task whose output Kafka refuses stops, after some tries alone (%s)", async (kind) => {
    const world = new World(2);
    const failed: unknown[] = [];
    const worker = world.start(world.deploy(1, true), { observer: { taskFailed: (...all) => failed.push(all) } });
    for (const p of [0, 1]) world.put(0, p);
    await until(() => world.out(0).length + world.out(1).length === 2);
    const { writer } = (worker.session as unknown as { options: { writer: SimWriter } }).options;
    const [produce, commit] = [writer.produce.bind(writer), writer.commit.bind(writer)];
    let tooLarge = false;
    const aborted: number[] = [];
    writer.produce = (topic, partition, ...rest) => {
      tooLarge ||= topic === "out" && Buffer.from(rest[1] as Uint8Array).toString() === "v1 values 777";
      produce(topic, partition, ...rest);
    };
    writer.commit = async (offsets) => {
      if (!tooLarge) return await commit(offsets);
      tooLarge = false;
      aborted.push(offsets.length);
      await writer.abort();
      return { kind, cause: new Error("a record for partition 0 of 'out': 10"), refused: true };
    };
    world.put(777, 0);
    for (let n = 1; n < 20; n++) {
      world.put(n, 1);
      await pause(3);
    }
    await until(() => world.out(1).length === 20 && failed.length > 0);
    expect(failed).toEqual([
      [0, expect.objectContaining({ code: "OUTPUT_REFUSED", message: expect.stringContaining("partition 0 of 'out'") as string })],
    ]);
    expect(world.record("p.v1.1", 0)?.position).toEqual({ values: 1 });
    // It alone, three times, behind the first one that may have been of both.
    expect(aborted.slice(-3)).toEqual([1, 1, 1]);
    expect(aborted.length).toBeLessThanOrEqual(4);
    await worker.stop();
    expect([worker.ends, world.out(0)]).toEqual([["stopped"], ["v1 values 0"]]);
  });

  test("counts commits that were decided, not those that were aborted", async () => {
    const world = new World();
    let fates = 0;
    let committed = 0;
    const worker = world.start(world.deploy(1, true), {
      fate: () => (fates++ < 2 ? "aborted" : "committed"),
      observer: { committed: () => committed++ },
    });
    world.put(1);
    await until(() => world.record("p.v1.1")?.position["values"] === 1);
    await worker.stop();
    expect(committed).toBe(fates - 2);
  });

  test("gives up after several aborted transactions in a row, and a new one goes on", async () => {
    const world = new World();
    let fates = 0;
    const worker = world.start(world.deploy(1, true), { fate: () => (fates++ < 7 ? "aborted" : "committed") });
    world.put(1);
    await until(() => world.record("p.v1.1")?.position["values"] === 1);
    expect(worker.ends).toEqual(["KAFKA_FAILED"]);
    await worker.stop();
    expect(world.out()).toEqual(["v1 values 1"]);
  });

  test("is fenced also when it learns of it while a transaction begins", async () => {
    const world = new World();
    const worker = world.start(world.deploy(1, true));
    await until(() => worker.session?.tasks.get(0)?.committed === true);
    const writer = (worker.session as unknown as { options: { writer: SimWriter } }).options.writer;
    writer.begin = () => Promise.reject(new RepriseError("PRODUCER_FENCED", "another producer has the id"));
    world.put(1);
    await until(() => worker.ends.length === 1);
    expect(worker.ends).toEqual(["fenced"]);
    await until(() => world.out().length === 1);
    await worker.stop();
  });
});

describe("a local store that is damaged while its task runs", () => {
  /** A live task with rows in its store; returns what a test needs to damage it. */
  async function running(limits: Partial<SessionLimits>) {
    const world = new World();
    const dropped: DroppedStore[] = [];
    const stores: MemoryStore[] = [];
    const failures: unknown[] = [];
    let scrubs = 0;
    const worker = world.start(world.deploy(1, true), {
      observer: {
        storeDropped: (_partition, what) => void dropped.push(what),
        taskFailed: (_partition, error) => void failures.push(error),
        scrubSucceeded: () => void (scrubs += 1),
      },
      onOpen: (store) => void stores.push(store),
      limits: { flushIntervalMs: 0, maxCachedKeysPerTask: 1, ...limits },
    });
    for (let n = 1; n <= 5; n++) world.put(n, 0, "values", `k${n}`);
    await until(() => (world.record("p.v1.1")?.position["values"] ?? 0) === 5 && (stores.at(-1) as MemoryStore).rows.size === 6);
    const rowsNow = (): string[] => [...(stores.at(-1) as MemoryStore).rows.keys()].sort();
    return { world, worker, dropped, stores, failures, rowsNow, scrubs: () => scrubs };
  }
  const lose = ({ rows }: MemoryStore): void => void rows.delete([...rows.keys()].sort().at(-1) as string);

  test("is found by the scrub, dropped and restored; a sound one is left alone", async () => {
    const { world, worker, dropped, stores, failures, rowsNow, scrubs } = await running({
      scrubIntervalMs: 1,
      scrubRowsPerSecond: 100_000,
    });
    const before = rowsNow();
    await until(() => scrubs() >= 2);
    expect(dropped).toEqual([]);
    lose(stores.at(-1) as MemoryStore);
    await until(() => dropped.length > 0);
    await until(() => rowsNow().length === before.length);
    expect(rowsNow()).toEqual(before);
    const sound = scrubs();
    await until(() => scrubs() > sound);
    expect(dropped).toMatchObject([{ reason: "digest" }]);
    world.put(6, 0, "values", "k6");
    await until(() => world.record("p.v1.1")?.position["values"] === 6);
    await worker.stop();
    expect([world.out(), failures, worker.ends]).toEqual([[1, 2, 3, 4, 5, 6].map((n) => `v1 values ${n}`), [], ["stopped"]]);
  });

  test("stops its task when it is found wrong again after it was restored", async () => {
    const { worker, dropped, stores, failures } = await running({ scrubIntervalMs: 1, scrubRowsPerSecond: 100_000 });
    lose(stores.at(-1) as MemoryStore);
    await until(() => dropped.length === 1 && (stores.at(-1) as MemoryStore).rows.size === 6);
    lose(stores.at(-1) as MemoryStore);
    await until(() => failures.length === 1);
    expect(failures[0]).toMatchObject({ code: "STATE_CORRUPT", message: expect.stringContaining("Deploy the version again") as string });
    await worker.stop();
    expect(dropped).toHaveLength(1);
  });

  test("is not scrubbed when that is switched off", async () => {
    const { worker, dropped, stores, world, scrubs } = await running({ scrubIntervalMs: 0 });
    lose(stores.at(-1) as MemoryStore);
    world.put(6, 0, "values", "k6");
    await until(() => world.record("p.v1.1")?.position["values"] === 6);
    await worker.stop();
    expect([dropped, scrubs()]).toEqual([[], 0]);
  });

  test("is dropped when a read meets the damage, and the record is processed once", async () => {
    const { world, worker, dropped, stores } = await running({ scrubIntervalMs: 0 });
    const store = stores.at(-1) as MemoryStore;
    store.failNextGet = new RepriseError("STATE_CORRUPT", "a block has a wrong checksum");
    world.put(6, 0, "values", "k1");
    await until(() => world.record("p.v1.1")?.position["values"] === 6);
    await worker.stop();
    expect(dropped).toEqual([{ reason: "STATE_CORRUPT", message: "a block has a wrong checksum" }]);
    expect([world.out(), worker.ends]).toEqual([[1, 2, 3, 4, 5, 6].map((n) => `v1 values ${n}`), ["stopped"]]);
  });
});

describe("a rebalance is answered", () => {
  test("also when the commit in front of it fails", async () => {
    const world = new World();
    const worker = world.start(world.deploy(1, true, ["values"], 60_000));
    await until(() => worker.session?.tasks.get(0)?.committed === true);
    world.put(1);
    await until(() => worker.session?.tasks.get(0)?.task.hasProgress === true);
    const session = worker.session as unknown as { options: { writer: SimWriter }; demand(d: unknown): void };
    session.options.writer.begin = () => Promise.reject(new RepriseError("KAFKA_FAILED", "the local queue is full"));
    let answered = false;
    session.demand({ kind: "close", partitions: [0], done: () => (answered = true) });
    await until(() => answered);
    await until(() => worker.ends.length === 1);
    expect(worker.ends).toEqual(["KAFKA_FAILED"]);
    await until(() => worker.session?.tasks.get(0)?.task.hasProgress === true);
    await worker.stop();
    expect(world.out()).toEqual(["v1 values 1"]);
  });

  test("while a large base is written", async () => {
    const world = new World();
    const v1 = world.start(world.deploy(1, true));
    world.put(1);
    await until(() => world.record("p.v1.1")?.position["values"] === 1);
    let scanning = false;
    // A scan that does not come to an end before it is asked to.
    const onOpen = (store: MemoryStore): void => {
      store.scan = () =>
        (async function* () {
          scanning = true;
          for (;;) {
            await pause(1);
            yield [];
          }
        })();
    };
    const v2 = world.start(world.deploy(2, false), { disk: new Map<string, Rows>(), onOpen });
    await until(() => scanning);
    let answered = false;
    (v2.session as unknown as { demand(d: unknown): void }).demand({ kind: "close", partitions: [0], done: () => (answered = true) });
    await until(() => answered);
    v2.kill();
    await v1.stop();
  });
});

/** Lets everything that a store of this task is asked to write wait. */
function heldBack(partition: number): { onOpen: (store: MemoryStore, folder: string) => void; begun: () => boolean; release: () => void } {
  let begun = false;
  let release = (): void => undefined;
  const gate = new Promise<void>((resolve) => (release = resolve));
  const onOpen = (store: MemoryStore, folder: string): void => {
    if (!folder.endsWith(`/${partition}`)) return;
    const write = store.write.bind(store);
    store.write = async (rows) => {
      begun = true;
      await gate;
      await write(rows);
    };
  };
  return { onOpen, begun: () => begun, release: () => release() };
}

type Inner = { demand(demand: unknown): void };

describe("a task that opens", () => {
  /** Two tasks of a publisher that have published ten records each. */
  async function published(): Promise<{ world: World; v1: SimDeployment }> {
    const world = new World(2);
    const v1 = world.deploy(1, true);
    const worker = world.start(v1);
    for (let n = 0; n < 10; n++) for (const p of [0, 1]) world.put(n, p);
    await until(() => world.out(0).length + world.out(1).length === 20);
    await worker.stop();
    return { world, v1 };
  }
  const firstTen = Array.from({ length: 10 }, (_, n) => `v1 values ${n}`);

  test("holds up none of the others, and goes on from where it was", async () => {
    const { world, v1 } = await published();
    const held = heldBack(0);
    const worker = world.start(v1, { disk: new Map(), onOpen: held.onOpen });
    await until(held.begun);
    for (let n = 10; n < 30; n++) for (const p of [0, 1]) world.put(n, p);
    await until(() => world.record("p.v1.1", 1)?.position["values"] === 30);
    expect([worker.session?.opening, world.record("p.v1.1", 0)?.position["values"]]).toEqual([[0], 10]);
    held.release();
    await until(() => world.record("p.v1.1", 0)?.position["values"] === 30);
    expect([worker.session?.opening, world.out(0)]).toEqual([[], Array.from({ length: 30 }, (_, n) => `v1 values ${n}`)]);
    await worker.stop();
  });

  test("is given up at once by a revoke; given back, it waits for its own former store only", async () => {
    const { world, v1 } = await published();
    const held = heldBack(0);
    const events: string[] = [];
    const observer = { taskOpened: (p: number) => events.push(`opened ${p}`), taskClosed: (p: number) => events.push(`closed ${p}`) };
    const worker = world.start(v1, { disk: new Map(), onOpen: held.onOpen, observer });
    await until(() => held.begun() && worker.session?.tasks.size === 1);
    const session = worker.session as unknown as Inner;
    let answered = false;
    session.demand({ kind: "close", partitions: [0], done: () => (answered = true) });
    await until(() => answered);
    expect([worker.session?.opening, events]).toEqual([[], ["opened 1", "closed 0"]]);
    session.demand({ kind: "open", partitions: [0] });
    await until(() => worker.session?.opening.length === 1);
    world.put(10, 0);
    await pause(20);
    expect(events).toHaveLength(2);
    held.release();
    await until(() => world.out(0).length === 11);
    expect(events.slice(2)).toEqual(["opened 0"]);
    await worker.stop();
  });

  test("and is not finished when the session stops leaves no store open", async () => {
    const { world, v1 } = await published();
    const held = heldBack(0);
    const disk = new Map<string, Rows>();
    const worker = world.start(v1, { disk, onOpen: held.onOpen });
    await until(held.begun);
    const stopping = worker.stop();
    await pause(20);
    held.release();
    await stopping;
    expect(worker.ends).toEqual(["stopped"]);
    const again = world.start(v1, { disk });
    world.put(10, 0);
    await until(() => world.out(0).length === 11);
    await again.stop();
  });

  test("and can't be opened stops alone, and says why", async () => {
    const { world, v1 } = await published();
    const failed: unknown[] = [];
    const closed: number[] = [];
    world.cluster.partition({ topic: deltaTopicOf("p.v1.1"), partition: 0 }).logStart = 6;
    const worker = world.start(v1, {
      disk: new Map(),
      observer: { openingFailed: (...all) => failed.push(all), taskClosed: (p) => closed.push(p) },
    });
    for (let n = 10; n < 30; n++) for (const p of [0, 1]) world.put(n, p);
    await until(() => world.record("p.v1.1", 1)?.position["values"] === 30 && failed.length > 0);
    expect(failed).toEqual([[0, expect.objectContaining({ code: "DELTAS_LOST" }), true]]);
    expect([worker.session?.opening, [...(worker.session?.tasks.keys() ?? [])]]).toEqual([[], [1]]);
    expect(world.out(0)).toEqual(firstTen);
    let answered = false;
    (worker.session as unknown as Inner).demand({ kind: "close", partitions: [0], done: () => (answered = true) });
    await until(() => answered);
    expect(closed).toEqual([0]);
    await worker.stop();
    expect(worker.ends).toEqual(["stopped"]);
  });

  test("and meets what may pass is tried again, alone", async () => {
    const { world, v1 } = await published();
    const failed: unknown[] = [];
    let left = 2;
    const onOpen = (store: MemoryStore, folder: string): void => {
      if (folder.endsWith("/0") && left-- > 0) store.failNextGet = new RepriseError("STATE_FAILED", "too many open files");
    };
    const worker = world.start(v1, { onOpen, observer: { openingFailed: (...all) => failed.push(all) } });
    for (const p of [0, 1]) world.put(10, p);
    await until(() => world.out(1).length === 11);
    await until(() => world.out(0).length === 11);
    expect(failed).toEqual([1, 2].map(() => [0, expect.objectContaining({ code: "STATE_FAILED" }), false]));
    expect(worker.ends).toEqual([]);
    await worker.stop();
  });
});

describe("deltas", () => {
  const often = { checkpointIntervalMs: 5, truncationIntervalMs: 0 };

  test("that no kept checkpoint needs are deleted; who has nothing but those opens from them", async () => {
    const world = new World();
    const v1 = world.deploy(1, true);
    const worker = world.start(v1, { limits: often });
    const log = world.cluster.partition({ topic: deltaTopicOf("p.v1.1"), partition: 0 });
    let n = 0;
    for (let round = 0; round < 6; round++) {
      const before = log.logStart;
      while (log.logStart === before) {
        world.put(n++);
        await pause(2);
      }
    }
    await until(() => world.out().length === n);
    worker.kill();
    const kept = [...world.checkpoints.values()].map(({ manifest }) => JSON.parse(manifest.meta) as { deltaFrom: number });
    expect(kept.length).toBeGreaterThanOrEqual(2);
    for (const { deltaFrom } of kept) expect(log.logStart).toBeLessThanOrEqual(deltaFrom);
    const opened: string[] = [];
    const again = world.start(v1, { disk: new Map(), observer: { taskOpened: (_p, how) => opened.push(how) } });
    world.put(n++);
    await until(() => world.out().length === n);
    expect(opened).toEqual([expect.stringMatching(/^checkpoint \d+/)]);
    expect(world.out()).toEqual(Array.from({ length: n }, (_, i) => `v1 values ${i}`));
    await again.stop();
  });

  test("stay when a checkpoint does not verify, and it is said why", async () => {
    const world = new World();
    const kept: unknown[] = [];
    const damaged: string[] = [];
    const worker = world.start(world.deploy(1, true), {
      limits: often,
      observer: {
        deltasKept: (_p, reason) => kept.push(reason),
        checkpointed: (p, n) => {
          for (const [name, found] of world.checkpoints) {
            if (found.manifest.partition !== p || found.manifest.n !== n) continue;
            damaged.push(name);
            world.checkpoints.set(name, { ...found, rows: [] });
          }
        },
      },
    });
    for (let n = 0; damaged.length < 4 || kept.length < 3; n++) {
      world.put(n);
      await pause(2);
    }
    await worker.stop();
    expect(world.cluster.partition({ topic: deltaTopicOf("p.v1.1"), partition: 0 }).logStart).toBe(0);
    expect(kept.at(-1)).toMatch(/the rows of checkpoint \d+ have the digest 0+, it says/);
  });
});

describe("a task that runs", () => {
  test("and whose input is gone stops alone, where it is", async () => {
    const world = new World(2);
    const failed: unknown[] = [];
    const worker = world.start(world.deploy(1, true), { observer: { taskFailed: (...all) => failed.push(all) } });
    for (const p of [0, 1]) world.put(0, p);
    await until(() => world.out(0).length + world.out(1).length === 2);
    const log = world.cluster.partition({ topic: "values", partition: 0 });
    log.logStart = 5;
    for (let n = 1; n < 10; n++) for (const p of [0, 1]) world.put(n, p);
    await until(() => world.out(1).length === 10 && failed.length > 0);
    expect(failed).toEqual([[0, expect.objectContaining({ code: "INPUT_TRUNCATED" })]]);
    expect(world.record("p.v1.1", 0)?.position).toEqual({ values: 1 });
    await worker.stop();
    expect(worker.ends).toEqual(["stopped"]);
  });

  test("and whose store turns out to be damaged is opened anew without it, alone", async () => {
    const world = new World(2);
    const v1 = world.deploy(1, true);
    const first = world.start(v1);
    for (const p of [0, 1]) world.put(0, p);
    await until(() => world.out(0).length + world.out(1).length === 2);
    await first.stop();
    const opened: string[] = [];
    let stores = 0;
    const onOpen = (store: MemoryStore, folder: string): void => {
      if (!folder.endsWith("/0") || stores++ > 0) return;
      store.getMany = () => Promise.reject(new RepriseError("STATE_CORRUPT", "a block has a wrong checksum"));
    };
    const worker = world.start(v1, { onOpen, observer: { taskOpened: (p, how) => opened.push(`${p}: ${how}`) } });
    for (const p of [0, 1]) world.put(1, p);
    await until(() => world.out(0).length === 2 && world.out(1).length === 2);
    expect(opened.slice(0, 2).toSorted()).toEqual(["0: local store", "1: local store"]);
    expect(opened.slice(2)).toEqual(["0: empty state + 1 deltas"]);
    expect(world.out(0)).toEqual(["v1 values 0", "v1 values 1"]);
    await worker.stop();
    expect(worker.ends).toEqual(["stopped"]);
  });

  test("goes on while another one's base is written, and while the checkpoint store is away; both go live in the end", async () => {
    const world = new World(2);
    const v1 = world.start(world.deploy(1, true));
    for (const p of [0, 1]) world.put(0, p);
    await until(() => world.out(0).length + world.out(1).length === 2);
    let release = (): void => undefined;
    const gate = new Promise<void>((resolve) => (release = resolve));
    let scans = 0;
    const failed: unknown[] = [];
    const onOpen = (store: MemoryStore, folder: string): void => {
      if (!folder.endsWith("/0")) return;
      const scan = store.scan.bind(store);
      store.scan = (range) =>
        (async function* () {
          if (scans++ === 0) throw new RepriseError("CHECKPOINT_FAILED", "the checkpoint store is away");
          await gate;
          yield* scan(range);
        })();
    };
    const observer = { checkpointFailed: (...all: unknown[]) => failed.push(all) };
    const v2 = world.start(world.deploy(2, false), { disk: new Map<string, Rows>(), onOpen, observer });
    await until(() => scans === 2 && world.record("p.v2.1", 1)?.mode === "live");
    for (let n = 1; n < 10; n++) for (const p of [0, 1]) world.put(n, p);
    await until(() => world.record("p.v2.1", 1)?.position["values"] === 10);
    expect(failed).toEqual([[0, expect.objectContaining({ code: "CHECKPOINT_FAILED" })]]);
    expect(world.record("p.v2.1", 0)).toMatchObject({ mode: "building", position: { values: 1 } });
    release();
    await until(() => world.record("p.v2.1", 0)?.position["values"] === 10);
    expect(world.record("p.v2.1", 0)?.mode).toBe("live");
    await v1.stop();
    await v2.stop();
    expect(v2.ends).toEqual(["stopped"]);
  });
});

describe("stopping", () => {
  test("while the end of the control log can't be read", async () => {
    const world = new World();
    const worker = world.start(world.deploy(1, true));
    await until(() => world.record("p.v1.1") !== undefined);
    const log = world.cluster.partition({ topic: controlTopic, partition: 0 });
    // A transaction of a controller that hangs: the log ends beyond what can be read.
    log.entries.push({ kind: "marker", key: null, value: null, timestampMs: 0, headers: [] });
    world.cluster.fence(transactionalIdOf("p.v1.1", 0));
    world.put(1);
    await until(() => worker.ends.includes("fenced"));
    await pause(20);
    await Promise.race([worker.stop(), pause(2_000).then(() => Promise.reject(new Error("it does not stop")))]);
  });

  test("while it is parked under an Intent, without a commit", async () => {
    const world = new World();
    const v1 = world.deploy(1, true);
    world.put(1);
    world.cluster.control({
      type: "CutoverIntended",
      cutover: "c",
      kind: "cutover",
      processor: "p",
      from: "p.v1.1",
      to: "p.v2.1",
      forced: [],
    });
    const worker = world.start(v1);
    await until(() => worker.session?.tasks.size === 1);
    await pause(30);
    await worker.stop();
    expect(world.record("p.v1.1")).toBeUndefined();
    expect(world.out()).toEqual([]);
  });

  test("before it has begun", async () => {
    const world = new World();
    const worker = world.start(world.deploy(1, true));
    await worker.stop();
    expect(await worker.done).toBe("stopped");
  });
});
