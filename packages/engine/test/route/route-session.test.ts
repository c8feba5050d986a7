import { key, processor, rekey, topic } from "@reprise/processor";
import {
  type CompiledRoute,
  ControlLogTail,
  controlTopic,
  type DeploymentSpec,
  partitionForKey,
  RouteSession,
  RouteTask,
  systemClock,
} from "@reprise/engine";
import { json, RepriseError, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { OriginStamp } from "../../src/route/origin-stamp.ts";
import { Random } from "../support/random.ts";
import { type Fate, SimCluster, type SimEntry, SimGroup, SimProcess, SimReader, SimWriter } from "../support/sim-cluster.ts";
import { columnsOf, compiled, MemoryReader } from "../support/task-run.ts";

const from = key("from", s.string);
const to = key("to", s.string);
const Item = s.record("Item", { id: s.int, at: s.long, keys: s.array(s.string) });
const rekeyed = processor({
  name: "p",
  version: 1,
  key: to,
  inputs: { items: rekey(topic("items", { key: from, value: json(Item), time: (item) => item.at }), { key: to, by: ({ keys }) => keys }) },
}).handle({ on: { items: () => undefined } });

const route = compiled(rekeyed).inputs[0]?.route as CompiledRoute;
const internal = "reprise.p.v1.1.items-by-to";
const [origins, targets] = [3, 2];

const spec: DeploymentSpec = {
  id: "p.v1.1",
  processor: "p",
  version: 1,
  artifact: "0".repeat(64),
  manifest: {},
  params: {},
  inputs: [{ topic: internal, topicId: "internal", partitions: targets }],
  routes: [
    { name: "items-by-to", topic: internal, partitions: targets, source: { topic: "items", topicId: "items", partitions: origins } },
  ],
  workers: 2,
  maxSlots: 2,
  start: "earliest",
  commitIntervalMs: 1,
};

function newWorld(seed: number) {
  const cluster = new SimCluster(seed);
  cluster.createTopic(controlTopic, 1);
  cluster.createTopic("items", origins);
  cluster.createTopic(internal, targets);
  cluster.control({ type: "DeploymentCreated", deployment: spec, publishes: true });
  return { cluster, group: new SimGroup(origins), items: [] as { readonly id: number; readonly keys: readonly string[] }[] };
}

type World = ReturnType<typeof newWorld>;

/** A process that runs sessions until it is stopped or killed. */
class Router {
  readonly process: SimProcess;
  readonly done: Promise<string>;
  private session: RouteSession | undefined;
  private stopping = false;
  private readonly member: string;
  private readonly world: World;

  constructor(world: World, slot: number, fate: () => Fate) {
    this.world = world;
    this.member = `slot-${slot}`;
    this.process = new SimProcess(world.cluster);
    this.done = this.run(fate);
    this.done.catch(() => undefined);
  }

  private async run(fate: () => Fate): Promise<string> {
    const { process, member, world } = this;
    const control = new ControlLogTail(new SimReader(process), process.offsets);
    await control.readToEnd();
    for (;;) {
      const writer = new SimWriter(process, `${internal}.${member}`, internal, (p) => world.group.owns(member, p));
      writer.fate = fate;
      const membership = world.group.membership(member, process);
      this.session = new RouteSession({
        clock: systemClock,
        spec,
        deployed: (spec.routes as NonNullable<typeof spec.routes>)[0] as never,
        route,
        writer,
        membership,
        groupOffsets: process.groupOffsets,
        reader: new SimReader(process),
        control,
        offsets: process.offsets,
        limits: { idleAfterMs: 5, stepRecords: 7 },
        observer: { opened() {}, routed() {} },
      });
      if (this.stopping) this.session.stop();
      try {
        const end = await this.session.run();
        if (end !== "fenced") return end;
      } catch (error) {
        if (!RepriseError.is(error) || !["KAFKA_FAILED", "PRODUCER_FENCED"].includes(error.code)) throw error;
      } finally {
        await membership.leave();
      }
    }
  }

  async stop(): Promise<string> {
    this.stopping = true;
    this.session?.stop();
    return this.done;
  }

  kill(): void {
    this.process.alive = false;
    this.world.group.dead(this.member);
  }
}

function send({ cluster, items }: World, random: Random, count: number): void {
  for (let n = 0; n < count; n++) {
    const item = {
      id: items.length,
      at: 1_000 + items.length,
      keys: Array.from({ length: random.below(4) }, () => `k${random.below(20)}`),
    };
    items.push(item);
    const entry: SimEntry = { kind: "record", key: null, value: Buffer.from(JSON.stringify(item)), timestampMs: item.at, headers: [] };
    // Other processors' outputs are sources too: markers end their transactions, and some are aborted.
    const aborted: SimEntry[] = random.chance(0.1) ? [{ ...entry, kind: "aborted" }] : [];
    const ends: SimEntry[] = random.chance(0.3) ? [{ ...entry, kind: "marker" }] : [];
    cluster.append({ topic: "items", partition: random.below(origins) }, ...aborted, entry, ...ends);
  }
}

/** What read_committed readers find, with its stamps. */
function written({ cluster }: World): { stamp: OriginStamp; key: string; id: number | undefined }[][] {
  return Array.from({ length: targets }, (_, partition) => {
    const { entries } = cluster.partition({ topic: internal, partition });
    const records = entries.map((entry, offset) => ({ ...entry, offset })).filter(({ kind }) => kind === "record");
    const columns = columnsOf(internal, partition, records, entries.length);
    return records.map(({ key: newKey, value }, i) => {
      const stamp = new OriginStamp();
      stamp.read(columns, i, origins);
      return { stamp, key: String(newKey), id: value === null ? undefined : (JSON.parse(String(value)) as { id: number }).id };
    });
  });
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 20_000; !holds(); ) {
    if (performance.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Every origin has said in every partition that it is at its end. */
function allIdle(world: World): boolean {
  return written(world).every((records) =>
    Array.from({ length: origins }, (_, origin) => records.findLast(({ stamp }) => stamp.partition === origin)?.stamp).every(
      (last, origin) =>
        last?.marker === true && last.idle && last.offset === world.cluster.partition({ topic: "items", partition: origin }).entries.length,
    ),
  );
}

function expectOnce(world: World): void {
  const records = written(world);
  const found = records.flatMap((all, partition) =>
    all.flatMap(({ id, key: newKey }) => (id === undefined ? [] : [`${id} ${newKey} ${partition}`])),
  );
  const wanted = world.items.flatMap(({ id, keys }) => keys.map((one) => `${id} ${one} ${partitionForKey(Buffer.from(one), targets)}`));
  expect(found.sort()).toEqual(wanted.sort());
  for (const all of records) {
    const last = new Map<number, number>();
    for (const { stamp } of all) {
      expect(stamp.offset).toBeGreaterThanOrEqual(last.get(stamp.partition) ?? 0);
      last.set(stamp.partition, stamp.offset);
    }
  }
}

describe("a session of a route", () => {
  test("writes every record once under each key, in the order of its origin, and says when there is nothing more, also of an empty partition", async () => {
    const world = newWorld(1);
    const router = new Router(world, 0, () => "committed");
    await until("all idle", () => allIdle(world));
    send(world, new Random(1), 300);
    await until("all idle", () => allIdle(world));
    expect(await router.stop()).toBe("stopped");
    expectOnce(world);
  });

  test("loses and doubles nothing by aborts, doubt, kills and rebalances", async () => {
    for (let seed = 1; seed <= 25; seed++) {
      const world = newWorld(seed);
      const random = new Random(seed);
      world.cluster.lateVisibility = random.pick([0, 0.3]);
      const fate = (): Fate => (random.chance(0.75) ? "committed" : random.pick(["aborted", "in-doubt"]));
      const routers = new Map([0, 1].map((slot) => [slot, new Router(world, slot, fate)]));
      for (let life = 0; life < 4; life++) {
        send(world, random, random.below(80));
        await new Promise((resolve) => setTimeout(resolve, random.below(25)));
        const slot = random.below(2);
        if (random.chance(0.5)) routers.get(slot)?.kill();
        else await routers.get(slot)?.stop();
        routers.set(slot, new Router(world, slot, fate));
      }
      send(world, random, 20);
      await until(`all idle, seed ${seed}`, () => allIdle(world));
      expectOnce(world);
      await Promise.all([...routers.values()].map((router) => router.stop()));
    }
  }, 60_000);

  test("ends when its deployment is retired", async () => {
    const world = newWorld(2);
    const router = new Router(world, 0, () => "committed");
    await until("all idle", () => allIdle(world));
    world.cluster.control({ type: "DeploymentStateChanged", deployment: spec.id, state: "Retiring" });
    expect(await router.done).toBe("retired");
  });

  test("refuses a partition that its source did not have when it was deployed", async () => {
    const world = newWorld(4);
    world.cluster.createTopic("items", origins + 1);
    const router = new Router({ ...world, group: new SimGroup(origins + 1) }, 0, () => "committed");
    await expect(router.done).rejects.toMatchObject({ code: "PARTITIONS_CHANGED" });
  });

  test("refuses committed offsets that are not a route's", async () => {
    const world = newWorld(3);
    world.cluster.committed.set(`${internal} items 1`, { offset: 5, metadata: "" });
    const router = new Router(world, 0, () => "committed");
    await expect(router.done).rejects.toMatchObject({ code: "DECLARATION_CONFLICT" });
  });
});

describe("a route", () => {
  const routeOf = (...values: readonly (Buffer | null)[]): RouteTask => {
    const reader = new MemoryReader();
    for (const value of values)
      reader.append("items", { key: Buffer.from("old"), value, timestampMs: 5, headers: [{ key: "trace", value: "t" }] });
    reader.assign({ topic: "items", partition: 0 }, 0);
    return new RouteTask({ route, partition: 0, targets, reader, position: 0, timeMs: Number.NEGATIVE_INFINITY });
  };

  test("keeps the source's bytes, timestamp and headers", () => {
    const value = Buffer.from(JSON.stringify({ id: 1, at: 7, keys: ["a"] }));
    const task = routeOf(value);
    expect(task.step(10)).toBe(1);
    expect(task.records).toMatchObject([
      { key: Buffer.from("a"), value, timestampMs: 5, headers: [{ value: "0 0 0 7" }, { key: "trace", value: "t" }] },
    ]);
  });

  test("sends on under its old key what does not decode, and in one piece what no message holds with a reason", () => {
    const large = Buffer.from(JSON.stringify({ id: 1, at: 7, keys: ["a".repeat(600_000), "b".repeat(600_000)] }));
    const task = routeOf(Buffer.from("{"), null, large);
    expect(task.step(10)).toBe(3);
    const [broken, deletion, tooLarge] = task.records;
    expect(broken).toMatchObject({ partition: 0, key: Buffer.from("old"), value: Buffer.from("{") });
    expect(deletion).toMatchObject({ key: Buffer.from("old"), value: null });
    expect(tooLarge?.value).toBeNull();
    expect(tooLarge?.headers.map(({ key: name, value }) => `${name} ${value}`)[1]).toMatch(/^reprise-fault .*larger than/);
  });
});
