import { key, processor, state, timer, topic, windows } from "@reprise/processor";
import { json, RepriseError, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { MemoryReader, TaskRun } from "../support/task-run.ts";
import { Random } from "../support/random.ts";

const device = key("device", s.string);
const Reading = s.record("Reading", { at: s.double, n: s.int });
const out = topic("out", { key: device, value: s.string });

interface Given {
  readonly topic: "a" | "b";
  readonly key: string;
  readonly at: number;
  readonly n: number;
}

type Shape = { readonly order: "log" | "event-time"; readonly outOfOrder?: `${number}ms` };

/** Every handler says what it saw; readings move a timer, count into windows and state. */
function declared({ order, outOfOrder }: Shape, onError: "fail" | "dead-letter" = "fail"): unknown {
  const input = (name: string) =>
    topic(name, { key: device, value: json(Reading), time: (r) => r.at, ...(outOfOrder === undefined ? {} : { outOfOrder }) });
  return processor({
    name: "ordered",
    version: 1,
    key: device,
    order,
    inputs: { a: input("a"), b: input("b") },
    outputs: { out },
    state: { seen: state.value(s.long, { initial: 0 }) },
    timers: { quiet: timer() },
    windows: { ten: windows.tumbling({ size: "10ms", grace: "3ms", aggregate: { n: "sum" } }) },
    onError: { handler: onError },
  }).handle({
    on: {
      a({ n }, ctx) {
        if (n === 666) throw new Error("no");
        ctx.state.seen.set(ctx.state.seen.get() + 1);
        ctx.out.out.emit(`a ${ctx.key} ${n} ${ctx.timestamp} ${ctx.state.seen.get()}`);
        ctx.windows.ten.add({ n });
        if (n % 3 === 0) ctx.timers.quiet.at(ctx.timestamp + (n % 7));
        if (n % 5 === 0) ctx.timers.quiet.cancel();
      },
      b({ n }, ctx) {
        ctx.out.out.emit(`b ${ctx.key} ${n} ${ctx.timestamp} ${ctx.windows.ten.current()?.count ?? 0}`);
        if (n % 4 === 0) ctx.timers.quiet.after("12ms");
      },
    },
    onTimer: {
      quiet({ due }, ctx) {
        ctx.out.out.emit(`quiet ${ctx.key} ${due} ${ctx.state.seen.get()}`);
        if (due % 4 === 0) ctx.timers.quiet.at(due + 2);
      },
    },
    onWindow: {
      ten({ count, n }, ctx) {
        ctx.out.out.emit(`ten ${ctx.key} ${ctx.window.start} ${count} ${n}`);
      },
    },
  });
}

function readerOf(records: readonly Given[]): MemoryReader {
  const reader = new MemoryReader();
  for (const { topic: name, key: of, at, n } of records)
    reader.append(name, { key: Buffer.from(of), value: Buffer.from(JSON.stringify({ at, n })), timestampMs: at });
  return reader;
}

const texts = (run: TaskRun): string[] => run.outputs.map(({ value }) => String(value));

/** Records of both topics, each at most `disorder` behind the largest time before it. */
function disordered(seed: number, disorder: number, count = 120): Given[] {
  const random = new Random(seed);
  const highest = { a: 0, b: 0 };
  return Array.from({ length: count }, (_, n) => {
    const name = random.pick(["a", "b"] as const);
    highest[name] += random.pick([0, 0, 1, 2, 9]);
    return { topic: name, key: random.pick(["x", "y", "z"]), at: highest[name] - random.below(disorder + 1), n };
  });
}

/** What the merge gives: by (largest time so far in the partition, input, offset). */
function merged(records: readonly Given[]): (Given & { offset: number; mergeTime: number })[] {
  return (["a", "b"] as const)
    .flatMap((name) => {
      let mergeTime = Number.NEGATIVE_INFINITY;
      return records
        .filter((r) => r.topic === name)
        .map((r, offset) => ({ ...r, offset, mergeTime: (mergeTime = Math.max(mergeTime, r.at)) }));
    })
    .sort((p, q) => p.mergeTime - q.mergeTime || (p.topic < q.topic ? -1 : p.topic > q.topic ? 1 : p.offset - q.offset));
}

/** By time; of equal times the first input, then as they stand in the log. */
const sorted = (records: readonly Given[]): Given[] =>
  [...merged(records)].sort((p, q) => p.at - q.at || (p.topic < q.topic ? -1 : p.topic > q.topic ? 1 : p.offset - q.offset));

/** Far behind everything, in both topics: all that is held has its turn. */
const flush = (at: number): Given[] => [
  { topic: "a", key: "end", at, n: 1 },
  { topic: "b", key: "end", at, n: 1 },
];

async function runWithRestarts(
  random: Random,
  processorOf: unknown,
  reader: MemoryReader,
): Promise<{ run: TaskRun; heldAtRestarts: number }> {
  reader.columnRecords = random.pick([1, 3, 50]);
  const run = new TaskRun(processorOf, reader, { batchRecords: random.pick([1, 2, 7]), maxCachedKeys: random.pick([0, 1, 100]) });
  let heldAtRestarts = 0;
  while ((await run.task.step()) > 0) {
    if (random.chance(0.4)) run.commit();
    if (random.chance(0.15)) {
      run.commit();
      heldAtRestarts += run.task.heldRecords;
      await run.restart();
    }
  }
  run.commit();
  return { run, heldAtRestarts };
}

describe("order: event-time", () => {
  test("disorder within the bound gives what a log in time order gives, with restarts, small batches and small caches too", async () => {
    let held = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const random = new Random(seed);
      const disorder = random.pick([0, 1, 5, 40]);
      const records = disordered(seed, disorder);
      const end = flush(100_000);
      const expected = await new TaskRun(declared({ order: "log" }), readerOf([...sorted(records), ...end])).drain();
      // One more: what comes exactly at the watermark is in time, but behind those of the same time that were taken already.
      const bound = { order: "event-time", outOfOrder: `${disorder === 0 ? 0 : disorder + 1}ms` } as const;
      const straight = new TaskRun(declared(bound), readerOf([...records, ...end, ...flush(100_000 + disorder + 1)]));
      await straight.drain();
      const ends = (text: string): boolean => !text.includes(" end ");
      expect(texts(straight).filter(ends), `seed ${seed}`).toEqual(texts(expected).filter(ends));
      expect(straight.task.counters).toMatchObject({ lateRecords: 0, lateDropped: 0, releasedEarly: 0 });

      const { run, heldAtRestarts } = await runWithRestarts(
        random,
        declared(bound),
        readerOf([...records, ...end, ...flush(100_000 + disorder + 1)]),
      );
      held += heldAtRestarts;
      expect(texts(run), `seed ${seed}`).toEqual(texts(straight));
      expect([run.task.meta.digest, run.task.meta.outputs]).toEqual([straight.task.meta.digest, straight.task.meta.outputs]);
      expect(run.task.heldRecords).toBe(straight.task.heldRecords);
    }
    expect(held).toBeGreaterThan(100);
  });

  test("beyond the bound: what is late is handled at once, all else in time order, as the plain model has it", async () => {
    let late = 0;
    for (let seed = 100; seed < 160; seed++) {
      const random = new Random(seed);
      const records = disordered(seed, random.pick([5, 20, 60]));
      const bound = random.pick([0, 3, 10]);
      const maxHeldRecords = random.pick([2, 5, 1000]);
      const shape = declared({ order: "event-time", outOfOrder: `${bound}ms` });
      const run = new TaskRun(shape, readerOf(records), { maxHeldRecords });
      await run.drain();
      const model = plainOrder(records, bound, maxHeldRecords);
      const handled = texts(run).filter((text) => /^[ab] /.test(text));
      expect(
        handled.map((text) => text.split(" ").slice(0, 4).join(" ")),
        `seed ${seed}`,
      ).toEqual(model.handled);
      expect(run.task.counters).toMatchObject({ lateRecords: model.late, releasedEarly: model.early });
      expect(run.task.heldRecords).toBe(model.held);
      late += model.late;
      // Outputs carry the time that everything has come to, which never goes back.
      const times = run.outputs.map(({ timestampMs }) => timestampMs);
      expect(times).toEqual([...times].sort((p, q) => p - q));

      const again = new TaskRun(shape, readerOf(records), { maxHeldRecords, batchRecords: 3, maxCachedKeys: 0 });
      for (let n = 0; (await again.task.step()) > 0; n++) {
        again.commit();
        if (n % 5 === 4) await again.restart();
      }
      again.commit();
      expect(texts(again)).toEqual(texts(run));
      expect(again.task.meta.digest).toBe(run.task.meta.digest);
    }
    expect(late).toBeGreaterThan(100);
  });

  test("with no disorder nothing is held, and no row is written for it", async () => {
    const reader = readerOf(disordered(7, 0));
    const run = new TaskRun(declared({ order: "event-time" }), reader);
    while ((await run.task.step()) > 0) {
      expect(run.task.heldRecords).toBe(0);
      run.commit();
    }
    await run.task.flush();
    const heldSlot = (run.processor.heldSlot as number) + 1;
    for await (const rows of run.store.scan({ from: Buffer.from([heldSlot]) })) expect(rows).toEqual([]);
  });

  test("a record that is released is published with the one that released it, and seen with its own place and time", async () => {
    const reader = readerOf([
      { topic: "a", key: "x", at: 100, n: 1 },
      { topic: "a", key: "x", at: 90, n: 2 },
      { topic: "a", key: "y", at: 111, n: 4 },
    ]);
    reader.ends.set("b", 0);
    const run = new TaskRun(declared({ order: "event-time", outOfOrder: "10ms" }), reader);
    await run.drain();
    expect(
      run.outputs.map(({ value, timestampMs, causeInput, causeOffset }) => [String(value), timestampMs, causeInput, causeOffset]),
    ).toEqual([
      ["a x 2 90 1", 90, 0, 1],
      ["a x 1 100 2", 100, 0, 2],
    ]);
  });

  test("a held record that fails stops the task in front of the one that released it, with nothing of that done", async () => {
    const records: Given[] = [
      { topic: "a", key: "x", at: 100, n: 1 },
      { topic: "a", key: "y", at: 101, n: 666 },
      { topic: "a", key: "x", at: 105, n: 3 },
      { topic: "a", key: "x", at: 120, n: 4 },
    ];
    const run = new TaskRun(declared({ order: "event-time", outOfOrder: "10ms" }), readerOf(records));
    await run.drain();
    expect(run.task.failure).toMatchObject({ code: "HANDLER_FAILED" });
    expect(run.task.failure?.message).toMatch(/record a-0@1, held until a-0@3, failed in on\.a: no/);
    expect(run.task.position["a"]).toBe(3);
    expect(texts(run)).toEqual([]);
    expect(run.task.meta).toMatchObject({ streamTimeMs: 105, watermarkMs: 95 });
    // Opened anew, it is in front of it again: what it holds is what it held.
    await run.restart();
    expect(run.task.heldRecords).toBe(3);
    await run.drain();
    expect(RepriseError.is(run.task.failure)).toBe(true);
    expect(run.task.position["a"]).toBe(3);
  });

  test("a dead letter of a held record is that record, with the place it stands at", async () => {
    const records: Given[] = [
      { topic: "a", key: "x", at: 100, n: 666 },
      { topic: "a", key: "y", at: 110, n: 1 },
    ];
    const run = new TaskRun(declared({ order: "event-time", outOfOrder: "10ms" }, "dead-letter"), readerOf(records));
    await run.drain();
    const [letter] = run.outputs;
    expect(letter).toMatchObject({ output: 1, causeOffset: 1, timestampMs: 100 });
    expect(String(letter?.key)).toBe("x");
    expect(JSON.parse(String(letter?.value))).toEqual({ at: 100, n: 666 });
    expect(letter?.headers).toContainEqual({ key: "reprise-source", value: "a-0@0" });
  });

  test("no id is drawn twice, although a record's place is passed twice", async () => {
    const events = topic("a", { key: device, value: json(Reading), time: (r) => r.at, outOfOrder: "10ms" });
    const drawing = processor({
      ...{ name: "ids", version: 1, key: device, order: "event-time", inputs: { a: events }, outputs: { out } },
      timers: { soon: timer() },
    }).handle({
      on: {
        a(_reading, ctx) {
          ctx.out.out.emit(ctx.uuid());
          ctx.timers.soon.after("1ms");
        },
      },
      onTimer: {
        soon(_timer, ctx) {
          ctx.out.out.emit(ctx.uuid());
        },
      },
    });
    const records = disordered(3, 10, 200).map((r) => ({ ...r, topic: "a" as const }));
    const run = new TaskRun(drawing, readerOf([...records, { topic: "a", key: "end", at: 10_000, n: 0 }]));
    await run.drain();
    expect(run.outputs.length).toBeGreaterThan(250);
    expect(new Set(texts(run)).size).toBe(run.outputs.length);
  });
});

/** Records only: an array that is searched from its start each time. */
function plainOrder(
  records: readonly Given[],
  bound: number,
  maxHeld: number,
): { handled: string[]; late: number; early: number; held: number } {
  const handled: string[] = [];
  const waiting: (Given & { offset: number })[] = [];
  let [watermark, streamTime, late, early] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0];
  const handle = (r: Given): void => void handled.push(`${r.topic} ${r.key} ${r.n} ${r.at}`);
  const releaseTo = (time: number): number => {
    const ready = waiting
      .filter((r) => r.at <= time)
      .sort((p, q) => p.at - q.at || (p.topic < q.topic ? -1 : p.topic > q.topic ? 1 : p.offset - q.offset));
    for (const r of ready) {
      handle(r);
      waiting.splice(waiting.indexOf(r), 1);
    }
    watermark = Math.max(watermark, time);
    return ready.length;
  };
  for (const r of merged(records)) {
    streamTime = Math.max(streamTime, r.at);
    if (r.at < watermark) {
      late++;
      handle(r);
    } else waiting.push(r);
    releaseTo(Math.max(watermark, streamTime - bound));
    while (waiting.length > maxHeld) early += releaseTo(Math.min(...waiting.map((w) => w.at)));
  }
  return { handled, late, early, held: waiting.length };
}
