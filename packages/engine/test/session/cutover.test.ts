import {
  type CompiledProcessor,
  type CommitRecord,
  controlTopic,
  deadLetterTopicOf,
  decodeCommitRecord,
  deltaTopicOf,
  type DeploymentSpec,
  foldControl,
  emptyControlState,
  groupOf,
  offsetIn,
  partitionForKey,
  type PositionVector,
  type PublicationInterval,
  transactionalIdOf,
} from "@reprise/engine";
import { key, processor, state, timer, topic, windows } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { Random } from "../support/random.ts";
import { type Fate, SimCluster, type SimCheckpoint, type SimEntry, SimGroup } from "../support/sim-cluster.ts";
import { type SimDeployment, SimWorker } from "../support/sim-worker.ts";
import { compiled, MemoryReader, TaskRun } from "../support/task-run.ts";

const partitions = 3;
const user = key("user", s.string);
const Value = s.record("Value", { n: s.long });

function make(version: number, inputs: readonly string[]): unknown {
  const values = topic("values", { key: user, value: json(Value), outOfOrder: "5ms" });
  const others = topic("others", { key: user, value: json(Value) });
  const out = topic("out", { key: user, value: s.string });
  const on = (name: string) => (v: { n: number }, ctx: any) => {
    const count = ctx.state.count.get() + 1;
    ctx.state.count.set(count);
    ctx.state.seen.set(`n${v.n % 7}`, count);
    ctx.windows.w.add({ n: v.n });
    ctx.timers.t.after("9ms");
    ctx.out.out.emit(`v${version} ${name} ${v.n} is number ${count}`);
    if (v.n % 11 === 0) ctx.state.seen.delete("n0");
  };
  return processor({
    name: "sim",
    version,
    key: user,
    inputs: inputs.length === 1 ? { values } : { values, others },
    outputs: { out },
    state: { count: state.value(s.long, { initial: 0 }), seen: state.map(s.string, s.long) },
    windows: { w: windows.tumbling({ size: "10ms", grace: "4ms", emit: "end", aggregate: { n: "sum" } }) },
    timers: { t: timer() },
  } as never).handle({
    on: inputs.length === 1 ? { values: on("values") } : { values: on("values"), others: on("others") },
    onWindow: {
      w: (r: any, ctx: any) => ctx.out.out.emit(`v${version} window ${ctx.window.start} ${r.count} ${r.n} ${ctx.window.revision}`),
    },
    onTimer: { t: (t: any, ctx: any) => ctx.out.out.emit(`v${version} timer ${t.due}`) },
  } as never);
}

interface World {
  readonly cluster: SimCluster;
  readonly random: Random;
  readonly inputs: readonly string[];
  readonly checkpoints: Map<string, SimCheckpoint>;
  readonly deployments: Map<string, SimDeployment>;
  readonly workers: Map<string, SimWorker>;
  readonly disks: Map<string, Map<string, never>>;
  nowMs: number;
  timeMs: number;
  faults: number;
}

function newWorld(seed: number, inputs: readonly string[]): World {
  const cluster = new SimCluster(seed);
  cluster.lateVisibility = 0.2;
  cluster.createTopic(controlTopic, 1);
  for (const name of [...inputs, "out", deadLetterTopicOf("sim")]) cluster.createTopic(name, partitions);
  return {
    cluster,
    random: new Random(seed),
    inputs,
    checkpoints: new Map(),
    deployments: new Map(),
    workers: new Map(),
    disks: new Map(),
    nowMs: 0,
    timeMs: 1000,
    faults: 0.06,
  };
}

function deploy(world: World, version: number, publishes: boolean): SimDeployment {
  const id = `sim.v${version}.1`;
  const spec: DeploymentSpec = {
    id,
    processor: "sim",
    version,
    artifact: `${version}`.repeat(64),
    manifest: {},
    params: {},
    inputs: world.inputs.map((name) => ({ topic: name, topicId: `id-of-${name}`, partitions })),
    workers: 2,
    maxSlots: 2,
    start: "earliest",
    commitIntervalMs: 3,
  };
  world.cluster.createTopic(deltaTopicOf(id), partitions);
  world.cluster.control({ type: "DeploymentCreated", deployment: spec, publishes });
  const deployment: SimDeployment = { spec, processor: compiled(make(version, world.inputs)), group: new SimGroup(partitions) };
  world.deployments.set(id, deployment);
  return deployment;
}

function startWorker(world: World, deployment: SimDeployment, slot: number): SimWorker {
  const name = `${deployment.spec.id}/${slot}`;
  const disk = world.disks.get(name) ?? new Map<string, never>();
  world.disks.set(name, disk);
  // A machine that is lost takes its disk along.
  if (world.random.chance(0.2)) disk.clear();
  const fate = (): Fate => {
    const dice = world.random.next();
    return dice < world.faults ? "in-doubt" : dice < 2 * world.faults ? "aborted" : "committed";
  };
  const worker = new SimWorker({
    cluster: world.cluster,
    deployment,
    slot,
    checkpoints: world.checkpoints,
    disk,
    fate,
    nowMs: () => world.nowMs,
    limits: {
      buildingCommitIntervalMs: 5,
      flushIntervalMs: world.random.pick([1, 20, 10_000]),
      checkpointIntervalMs: world.random.pick([10, 60, 10_000]),
      truncationIntervalMs: world.random.pick([0, 600_000]),
      pipelined: world.random.chance(0.8),
      maxCachedKeysPerTask: world.random.pick([0, 2, 1000]),
      batchRecords: world.random.pick([1, 5, 100]),
    },
  });
  world.workers.set(name, worker);
  return worker;
}

function feed(world: World, count: number): void {
  for (let i = 0; i < count; i++) {
    const name = world.random.pick(world.inputs);
    const userName = `user${world.random.below(12)}`;
    const bytes = Buffer.from(userName);
    world.timeMs += world.random.pick([0, 0, 1, 1, 2, 20]);
    const at = { topic: name, partition: partitionForKey(bytes, partitions) };
    const n = world.cluster.partition(at).entries.length;
    const entry: SimEntry = {
      kind: "record",
      key: bytes,
      value: Buffer.from(JSON.stringify({ n })),
      timestampMs: world.timeMs - world.random.below(5),
      headers: [],
    };
    const kind = world.random.next();
    if (kind < 0.1) world.cluster.append(at, { ...entry, kind: "aborted" }, { ...entry, kind: "marker" });
    else if (kind < 0.2) world.cluster.append(at, entry, { ...entry, kind: "marker" });
    else world.cluster.append(at, entry);
  }
}

async function recordsOf(world: World, id: string): Promise<Map<number, CommitRecord>> {
  const lead = world.inputs[0] as string;
  const found = await world.cluster.committedOf(
    groupOf(id),
    Array.from({ length: partitions }, (_, partition) => ({ topic: lead, partition })),
  );
  return new Map(found.map(({ partition, metadata }) => [partition, decodeCommitRecord(metadata) as CommitRecord]));
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, holds: () => Promise<boolean> | boolean, world: World): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await holds())) {
    for (const worker of world.workers.values()) {
      const failed = await Promise.race([
        worker.done.then(
          () => undefined,
          (error: unknown) => error,
        ),
        pause(0),
      ]);
      if (failed !== undefined) throw failed as Error;
    }
    if (performance.now() > deadline) {
      const records = await Promise.all([...world.deployments.keys()].map(async (id) => [id, [...(await recordsOf(world, id)).values()]]));
      const tasks = [...world.workers].map(([name, w]) => [
        name,
        w.ends,
        [...(w.session?.tasks.values() ?? [])].map(({ task }) => ({ ...task.meta, now: task.position, failure: task.failure?.message })),
      ]);
      const groups = [...world.deployments.values()].map(({ group }) => group.stage);
      const doing = [...world.workers].map(
        ([name, w]) => `${name}: ${w.process.alive} ${w.stage} demands ${JSON.stringify((w.session as any)?.demands)}`,
      );
      console.log("STAGES", groups, doing, [...world.cluster.pending.keys()]);
      throw new Error(`waited for ${what}: ${JSON.stringify({ records, tasks }, null, 1)}`);
    }
    await pause(3);
  }
}

const folded = (world: World) => {
  let control = emptyControlState;
  world.cluster.partition({ topic: controlTopic, partition: 0 }).entries.forEach((entry, offset) => {
    if (entry.kind === "record") control = foldControl(control, JSON.parse((entry.value as Buffer).toString()), offset);
  });
  return control;
};

/** The controller's procedure, design section 8, with pauses in which anything may happen. */
async function cutover(world: World, from: string, to: string, kind: "cutover" | "rollback"): Promise<void> {
  const id = `cut-${folded(world).revision}`;
  world.cluster.control({ type: "CutoverIntended", cutover: id, kind, processor: "sim", from, to, forced: [] });
  await pause(world.random.below(8));
  const slots = world.deployments.get(from)?.spec.maxSlots ?? 0;
  for (let slot = 0; slot < slots; slot++) world.cluster.fence(transactionalIdOf(from, slot));
  await pause(world.random.below(8));
  const records = await recordsOf(world, from);
  const start = folded(world).processors.get("sim")?.intervals.at(-1)?.from ?? {};
  const at: { [topic: string]: number[] } = {};
  for (const name of world.inputs)
    at[name] = Array.from({ length: partitions }, (_, p) => Math.max(records.get(p)?.position[name] ?? 0, offsetIn(start, name, p)));
  await pause(world.random.below(8));
  world.cluster.control({ type: "CutDecided", cutover: id, processor: "sim", from, to, at } as never);
  await until(
    `${to} to pass the cut`,
    async () => {
      const passed = await recordsOf(world, to);
      return Array.from({ length: partitions }, (_, p) => p).every((p) =>
        world.inputs.every((name) => (passed.get(p)?.position[name] ?? -1) >= offsetIn(at, name, p)),
      );
    },
    world,
  );
  world.cluster.control({ type: "CutoverCompleted", cutover: id, processor: "sim", from, to });
}

/** What a version emits over the whole log of a partition, by the record that causes it; and what its state is at the end. */
async function plainRun(
  world: World,
  version: number,
  partition: number,
): Promise<{ causes: Map<string, string[]>; digest: string; outputs: string }> {
  const reader = new MemoryReader();
  for (const name of world.inputs) {
    world.cluster.partition({ topic: name, partition }).entries.forEach((entry, offset) => {
      if (entry.kind === "record") reader.append(name, { ...entry, offset });
    });
    reader.ends.set(name, world.cluster.partition({ topic: name, partition }).entries.length);
  }
  const run = new TaskRun(make(version, world.inputs), reader, { partition });
  await run.drain();
  expect(run.task.lateMerged).toBe(0);
  const causes = new Map<string, string[]>();
  for (const { causeInput, causeOffset, key: k, value } of run.outputs) {
    const cause = `${world.inputs[causeInput]}-${partition}@${causeOffset}`;
    const list = causes.get(cause) ?? [];
    causes.set(cause, list);
    list.push(`${k.toString()}: ${(value as Buffer).toString()}`);
  }
  return { causes, digest: run.task.meta.digest, outputs: run.task.meta.outputs };
}

function ownerOf(intervals: readonly PublicationInterval[], cause: string): string | undefined {
  const [, name, partition, offset] = /^(.*)-(\d+)@(\d+)$/.exec(cause) as unknown as [string, string, string, string];
  const p = Number(partition);
  const within = (v: PositionVector, low: boolean): boolean =>
    low ? Number(offset) >= offsetIn(v, name, p) : Number(offset) < offsetIn(v, name, p);
  return intervals.findLast(({ from, to }) => within(from, true) && (to === null || within(to, false)))?.deployment;
}

/** Every output once, from the deployment in whose interval its cause lies, in the order of its partition; states as decided. */
async function check(world: World): Promise<void> {
  const { intervals } = folded(world).processors.get("sim") as { intervals: readonly PublicationInterval[] };
  for (let p = 0; p < partitions; p++) {
    const runs = new Map<string, Awaited<ReturnType<typeof plainRun>>>();
    for (const { spec } of world.deployments.values()) runs.set(spec.id, await plainRun(world, spec.version, p));
    const order = [...(runs.values().next().value as Awaited<ReturnType<typeof plainRun>>).causes.keys()];
    const expected = order.flatMap((cause) => {
      const owner = ownerOf(intervals, cause) as string;
      return (runs.get(owner)?.causes.get(cause) ?? []).map((text) => `${owner} ${cause} ${text}`);
    });
    const entries = world.cluster.partition({ topic: "out", partition: p }).entries.filter(({ kind }) => kind === "record");
    const actual = entries.map(
      ({ key: k, value, headers }) => `${headers.find((h) => h.key === "reprise-cause")?.value} ${k?.toString()}: ${value?.toString()}`,
    );
    expect(actual).toEqual(expected);
    for (const { spec } of world.deployments.values()) {
      const record = (await recordsOf(world, spec.id)).get(p);
      expect([spec.id, p, record?.digest, record?.outputs]).toEqual([spec.id, p, runs.get(spec.id)?.digest, runs.get(spec.id)?.outputs]);
      for (const { manifest } of world.checkpoints.values()) expect(manifest.n).toBeGreaterThanOrEqual(0);
    }
  }
}

async function atEnd(world: World): Promise<void> {
  await until(
    "everything to be committed",
    async () => {
      for (const id of world.deployments.keys()) {
        const records = await recordsOf(world, id);
        for (let p = 0; p < partitions; p++)
          for (const name of world.inputs) {
            const { entries } = world.cluster.partition({ topic: name, partition: p });
            // A log may end in aborted records and markers, behind the last one that counts.
            if ((records.get(p)?.position[name] ?? 0) < entries.length || records.get(p)?.mode !== "live") return false;
          }
      }
      return true;
    },
    world,
  );
}

async function restartSome(world: World): Promise<void> {
  const [name, worker] = world.random.pick([...world.workers]);
  const [id, slot] = name.split("/") as [string, string];
  if (world.random.chance(0.7)) worker.kill();
  else await worker.stop();
  await pause(world.random.below(15));
  startWorker(world, world.deployments.get(id) as SimDeployment, Number(slot));
}

const isLive = async (world: World, id: string): Promise<boolean> => {
  const records = await recordsOf(world, id);
  return records.size === partitions && [...records.values()].every(({ mode }) => mode === "live");
};

async function story(seed: number, inputs: readonly string[]): Promise<void> {
  const world = newWorld(seed, inputs);
  const { random } = world;
  try {
    const v1 = deploy(world, 1, true);
    for (const slot of [0, 1]) startWorker(world, v1, slot);
    let feeding = true;
    const feeder = (async () => {
      // Bounded: workers that take one record at a time may be slower than this.
      for (let left = 700; feeding; left -= 6) {
        if (left > 0) feed(world, random.below(12));
        await pause(random.below(6));
      }
    })();
    let breaking = true;
    const breaker = (async () => {
      while (breaking) {
        await pause(20 + random.below(120));
        if (breaking) await restartSome(world);
      }
    })();
    try {
      await pause(60);
      const v2 = deploy(world, 2, false);
      for (const slot of [0, 1]) startWorker(world, v2, slot);
      if (random.chance(0.75)) await until("v2 to be live", () => isLive(world, v2.spec.id), world);
      else await pause(random.below(20));
      await cutover(world, v1.spec.id, v2.spec.id, "cutover");
      await pause(random.below(60));
      if (random.chance(0.7)) await cutover(world, v2.spec.id, v1.spec.id, "rollback");
      await pause(random.below(40));
    } finally {
      feeding = false;
      await feeder;
      breaking = false;
      await breaker;
    }
    world.faults = 0;
    world.nowMs = Number.MAX_SAFE_INTEGER;
    await atEnd(world);
    for (const worker of world.workers.values()) await worker.stop();
    await check(world);
  } finally {
    for (const worker of world.workers.values()) worker.kill();
  }
}

describe("two deployments through replay, cutover and rollback", () => {
  test.each([1, 2, 3, 4, 5, 6])(
    "one input: each output once, by whom it is due, whatever dies and is in doubt (seed %i)",
    (seed) => story(seed, ["values"]),
    60_000,
  );
  test.each([11, 12, 13, 14])("two inputs: the same (seed %i)", (seed) => story(seed, ["values", "others"]), 60_000);
});

export type { CompiledProcessor };
