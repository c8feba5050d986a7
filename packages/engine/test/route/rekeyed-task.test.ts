import { key, processor, rekey, state, topic, windows } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { partitionForKey, RouteTask } from "@reprise/engine";
import { describe, expect, test } from "vitest";
import { endsOf } from "../../src/route/origin-stamp.ts";
import { Random } from "../support/random.ts";
import { compiled, MemoryReader, TaskRun } from "../support/task-run.ts";

const disorderMs = 40;
const windowMs = 100;
const from = key("from", s.string);
const to = key("to", s.string);
const Item = s.record("Item", { id: s.int, at: s.long, keys: s.array(s.string), cents: s.long });
const Out = s.record("Out", { what: s.string, n: s.long, count: s.long, cents: s.long });

const rekeyed = (order: "log" | "event-time") =>
  processor({
    name: "rekeyed",
    version: 1,
    key: to,
    order,
    inputs: {
      items: rekey(topic("items", { key: from, value: json(Item), time: (item) => item.at, outOfOrder: `${disorderMs}ms` }), {
        key: to,
        by: ({ keys }) => keys,
      }),
    },
    outputs: { out: topic("out", { key: to, value: json(Out) }) },
    state: { seen: state.value(s.int, { initial: 0, ttl: "1s" }) },
    windows: { sums: windows.tumbling({ size: `${windowMs}ms`, aggregate: { cents: "sum" } }) },
    onError: { decode: "skip" },
  }).handle({
    on: {
      items({ id, cents }, ctx) {
        ctx.state.seen.set(ctx.state.seen.get() + 1);
        ctx.windows.sums.add({ cents });
        ctx.out.out.emit({ what: "item", n: id, count: ctx.timestamp, cents: 0 });
      },
    },
    onWindow: {
      sums({ count, cents }, ctx) {
        ctx.out.out.emit({ what: "window", n: ctx.window.start, count, cents });
      },
    },
  });

interface Item {
  readonly id: number;
  readonly at: number;
  readonly keys: readonly string[];
  readonly cents: number;
}

/** A source, its routes and the tasks behind them, in one thread: what comes when is drawn. */
class World {
  readonly origins: MemoryReader[];
  readonly items: Item[] = [];
  readonly tasks: TaskRun[];
  private readonly random: Random;
  private readonly routes: RouteTask[];
  private readonly committed: { position: number; timeMs: number }[];
  private readonly input: ReturnType<typeof compiled>["inputs"][number];
  private nowMs = 10_000;

  constructor(seed: number, order: "log" | "event-time") {
    this.random = new Random(seed);
    const definition = rekeyed(order);
    this.input = compiled(definition).inputs[0] as typeof this.input;
    this.origins = Array.from({ length: 1 + this.random.below(4) }, () => new MemoryReader());
    this.committed = this.origins.map(() => ({ position: 0, timeMs: Number.NEGATIVE_INFINITY }));
    const origins = new Map([[this.input.topic, this.origins.length]]);
    this.tasks = Array.from({ length: 1 + this.random.below(3) }, () => {
      const reader = new MemoryReader();
      reader.columnRecords = 1 + this.random.below(20);
      return new TaskRun(definition, reader, { origins, batchRecords: 1 + this.random.below(30), maxCachedKeys: this.random.below(10) });
    });
    this.routes = this.origins.map((_, partition) => this.openRoute(partition));
  }

  private openRoute(partition: number): RouteTask {
    const reader = this.origins[partition] as MemoryReader;
    const { position, timeMs } = this.committed[partition] as { position: number; timeMs: number };
    reader.columnRecords = 1 + this.random.below(10);
    reader.assign({ topic: "items", partition }, position);
    const route = this.input.route as NonNullable<typeof this.input.route>;
    return new RouteTask({ route, partition, targets: this.tasks.length, reader, position, timeMs });
  }

  /** Time goes on at the producers: some records, which are apart by less than the declared disorder. */
  produce(): void {
    const { random } = this;
    for (let n = random.below(12); n > 0; n--) {
      this.nowMs += random.chance(0.02) ? 500 : random.below(8);
      const origin = random.pick(this.origins);
      if (random.chance(0.03)) {
        origin.append("items", { key: null, value: Buffer.from("{"), timestampMs: this.nowMs });
        continue;
      }
      const keys = Array.from({ length: random.pick([0, 1, 1, 1, 3]) }, () => `key-${random.below(9)}`);
      const item = { id: this.items.length, at: this.nowMs - random.below(disorderMs), keys, cents: random.below(100) };
      this.items.push(item);
      origin.append("items", { key: Buffer.from("any"), value: Buffer.from(JSON.stringify(item)), timestampMs: this.nowMs });
    }
  }

  /** One route does something, or dies. */
  routeSome(): void {
    const { random } = this;
    const partition = random.below(this.routes.length);
    if (random.chance(0.05)) {
      // Rarely, its committed offset is gone as well.
      if (random.chance(0.2)) this.committed[partition] = { position: 0, timeMs: Number.NEGATIVE_INFINITY };
      this.routes[partition] = this.openRoute(partition);
      return;
    }
    const route = this.routes[partition] as RouteTask;
    route.step(random.below(15));
    if (route.look() === "end" && random.chance(0.5)) route.goIdle();
    if (random.chance(0.5)) this.commit(route);
  }

  private commit(route: RouteTask): void {
    if (!route.hasNews) return;
    const ends = endsOf(this.origins.map((origin) => origin.endOf("items")));
    route.prepare();
    const told = new Set<number>();
    for (const { partition, key: newKey, value, timestampMs, headers } of route.records) {
      if (!told.has(partition)) headers.splice(1, 0, ends);
      told.add(partition);
      this.tasks[partition]?.reader.append(this.input.topic, { key: newKey, value, timestampMs, headers });
    }
    this.committed[route.partition] = { position: route.position, timeMs: route.timeMs };
    route.decided();
  }

  async process(): Promise<void> {
    const run = this.random.pick(this.tasks);
    for (let n = this.random.below(4); n > 0; n--) await run.task.step();
    run.commit();
    if (this.random.chance(0.1)) await run.restart();
  }

  async finish(): Promise<void> {
    for (const route of this.routes) {
      while (route.step(100) > 0);
      route.goIdle();
      this.commit(route);
    }
    for (const run of this.tasks) await run.drain();
  }

  /** Of one task, as rows. */
  outputsOf(task: TaskRun): { key: string; what: string; n: number; count: number; cents: number; timestampMs: number }[] {
    return task.outputs.map((one) => ({
      key: one.key.toString(),
      timestampMs: one.timestampMs,
      ...(JSON.parse(String(one.value)) as { what: string; n: number; count: number; cents: number }),
    }));
  }
}

/** What the task of a partition must have sent, in no order: a few lines that know nothing of routes. */
function expected(
  items: readonly Item[],
  partition: number,
  partitions: number,
  order: "log" | "event-time",
): { items: string[]; windows: string[] } {
  const here = items.flatMap((item) =>
    item.keys.filter((one) => partitionForKey(Buffer.from(one), partitions) === partition).map((one) => ({ ...item, one })),
  );
  const overMs = Math.max(...items.map(({ at }) => at)) - disorderMs;
  const sums = new Map<string, { count: number; cents: number }>();
  for (const { one, at, cents } of here) {
    const start = Math.floor(at / windowMs) * windowMs;
    if (start + windowMs > overMs) continue;
    const sum = sums.get(`${one} ${start}`) ?? { count: 0, cents: 0 };
    sums.set(`${one} ${start}`, { count: sum.count + 1, cents: sum.cents + cents });
  }
  return {
    // In time order, what is younger than the watermark still waits.
    items: here
      .filter(({ at }) => order === "log" || at <= overMs)
      .map(({ one, id, at }) => `${one} ${id} ${at}`)
      .sort(),
    windows: [...sums].map(([name, { count, cents }]) => `${name} ${count} ${cents}`).sort(),
  };
}

async function play(seed: number, order: "log" | "event-time"): Promise<World> {
  const world = new World(seed, order);
  const random = new Random(seed ^ 0xabc);
  for (let n = 0; n < 150; n++) {
    if (random.chance(0.4)) world.produce();
    if (random.chance(0.7)) world.routeSome();
    if (random.chance(0.3)) await world.process();
  }
  await world.finish();
  return world;
}

describe("a rekeyed input", () => {
  test.each(["log", "event-time"] as const)(
    "gives every record once under each key and complete windows, whatever its routes and tasks do when: order %s",
    async (order) => {
      let windowCount = 0;
      for (let seed = 1; seed <= 40; seed++) {
        const world = await play(seed, order);
        for (const [partition, run] of world.tasks.entries()) {
          const rows = world.outputsOf(run);
          const model = expected(world.items, partition, world.tasks.length, order);
          const items = rows.filter(({ what }) => what === "item");
          expect(items.map((row) => `${row.key} ${row.n} ${row.count}`).sort(), `seed ${seed}`).toEqual(model.items);
          const sums = rows.filter(({ what }) => what === "window").map((row) => `${row.key} ${row.n} ${row.count} ${row.cents}`);
          expect(sums.sort(), `seed ${seed}`).toEqual(model.windows);
          expect(rows.every(({ timestampMs }) => Number.isFinite(timestampMs))).toBe(true);
          expect(run.task.counters).toMatchObject({ lateDropped: 0, lateRecords: 0 });
          if (order === "event-time")
            expect(items.map(({ count }) => count)).toEqual(items.map(({ count }) => count).sort((a, b) => a - b));
          windowCount += sums.length;
        }
      }
      expect(windowCount).toBeGreaterThan(700);
    },
    60_000,
  );
});

describe("a task behind a route", () => {
  const definition = (fails: number) =>
    processor({
      name: "mixed",
      version: 1,
      key: to,
      inputs: {
        items: rekey(topic("items", { key: from, value: json(Item), time: (item) => item.at }), { key: to, by: ({ keys }) => keys }),
        direct: topic("direct", { key: to, value: json(Item), time: (item) => item.at }),
      },
      outputs: { out: topic("out", { key: to, value: json(Out) }) },
    }).handle({
      on: {
        items({ id, at }, ctx) {
          if (id === fails) throw new Error("no");
          ctx.out.out.emit({ what: "item", n: id, count: at, cents: 0 });
        },
        direct({ id, at }, ctx) {
          ctx.out.out.emit({ what: "direct", n: id, count: at, cents: 0 });
        },
      },
    });
  const input = compiled(definition(-1)).inputs[0] as ReturnType<typeof compiled>["inputs"][number];
  const item = (id: number, at: number) => ({
    key: Buffer.from("k"),
    value: Buffer.from(JSON.stringify({ id, at, keys: ["k"], cents: 0 })),
    timestampMs: at,
  });
  const origins = new Map([[input.topic, 2]]);

  /** Two origins of a source with these records, routed one after the other into one internal partition. */
  class Source {
    readonly internal = new MemoryReader();
    private readonly logs = [new MemoryReader(), new MemoryReader()];
    private readonly routes = this.logs.map((reader, partition) => {
      reader.assign({ topic: "items", partition }, 0);
      const route = input.route as NonNullable<typeof input.route>;
      return new RouteTask({ route, partition, targets: 1, reader, position: 0, timeMs: Number.NEGATIVE_INFINITY });
    });

    send(origin: number, id: number, at: number): void {
      this.logs[origin]?.append("items", item(id, at));
    }

    route(origin: number, idle: boolean): void {
      const task = this.routes[origin] as RouteTask;
      task.step(1_000);
      if (idle) task.goIdle();
      task.prepare();
      for (const { key: newKey, value, timestampMs, headers } of task.records)
        this.internal.append(input.topic, { key: newKey, value, timestampMs, headers });
      task.decided();
    }
  }

  const sent = (run: TaskRun): string[] =>
    run.outputs.map((one) => {
      const { what, n } = JSON.parse(String(one.value)) as { what: string; n: number };
      return `${what} ${n}`;
    });

  test("holds its other inputs back until what they have to wait for was routed, however long that takes", async () => {
    const source = new Source();
    const run = new TaskRun(definition(-1), source.internal, { origins });
    source.internal.append("direct", item(1, 50));
    await run.drain();
    expect(sent(run)).toEqual([]);
    source.send(0, 2, 40);
    source.send(0, 3, 70);
    source.route(0, true);
    await run.drain();
    // Nothing was heard of the other origin.
    expect(sent(run)).toEqual(["item 2", "item 3"]);
    source.send(1, 4, 45);
    source.send(1, 5, 60);
    source.route(1, false);
    await run.drain();
    expect(sent(run)).toEqual(["item 2", "item 3", "item 4"].concat(["direct 1", "item 5"]));
    source.internal.append("direct", item(6, 65));
    await run.drain();
    expect(sent(run).slice(5)).toEqual([]);
    source.route(1, true);
    await run.drain();
    expect(sent(run).slice(5)).toEqual(["direct 6"]);
  });

  test("that stops in front of a record has seen nothing of its origin beyond it, and goes on exactly there", async () => {
    const play = async (fails: number, batchRecords: number): Promise<{ run: TaskRun; source: Source }> => {
      const source = new Source();
      for (let id = 0; id < 40; id++) source.send(id % 2, id, 100 + id);
      source.route(0, false);
      source.route(1, true);
      source.route(0, true);
      const run = new TaskRun(definition(fails), source.internal, { origins, batchRecords });
      await run.drain();
      return { run, source };
    };
    const whole = (await play(-1, 100)).run;
    expect(sent(whole)).toHaveLength(40);
    for (const fails of [0, 1, 6, 21, 39]) {
      const { run, source } = await play(fails, 100);
      expect(run.task.failure?.message).toMatch(new RegExp(`record items-${fails % 2}@${Math.floor(fails / 2)} failed`));
      // Record by record, it has never been further.
      const single = (await play(fails, 1)).run;
      expect(run.task.meta).toEqual({ ...single.task.meta, n: run.task.meta.n });
      const { meta } = run.task;
      const on = new TaskRun(definition(-1), source.internal, { origins, meta });
      await on.drain();
      expect([...sent(run), ...sent(on)]).toEqual(sent(whole));
      expect(on.task.meta.origins).toEqual(whole.task.meta.origins);
      expect(on.task.streamTimeMs).toBe(whole.task.streamTimeMs);
    }
  });
});
