import { distinct, fold, key, last, processor, top, topic, windows } from "@reprise/processor";
import { s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { Random } from "../support/random.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";
import { ItemSessionModel } from "./item-session-model.ts";
import { type Event, type Feedback, ItemModel, type Kind, type Op, type Shape, shopOf } from "./item-model.ts";

const user = key("user", s.string);
const Value = s.record("Value", { at: s.long, body: s.string });

function windowOf({ kind, emit, late, graceMs, throttleMs, keepMs }: Shape): never {
  const ms = (n: number): string => `${n}ms`;
  const common = {
    emit,
    items: s.string,
    aggregate: {
      n: ["sum", "min", "max"],
      // An own fold without merge, whose inputs have no schema.
      ids: fold(s.string, { initial: "", add: (all: string, { id }: { id: string }) => all + id }),
      latest: last(s.string),
      shops: distinct(s.string),
      best: top(2, s.string),
    },
    ...(throttleMs === undefined ? {} : { throttle: ms(throttleMs) }),
  };
  const bounded = { ...common, grace: ms(graceMs), late, ...(keepMs === undefined ? {} : { keep: ms(keepMs) }) };
  const make = windows as unknown as { readonly [type: string]: (o: object) => never };
  switch (kind.type) {
    case "tumbling":
      return make["tumbling"]!({ ...bounded, size: ms(kind.sizeMs) });
    case "hopping":
      return make["hopping"]!({ ...bounded, size: ms(kind.sizeMs), every: ms(kind.everyMs) });
    case "rolling":
      return make["rolling"]!({ ...bounded, size: ms(kind.sizeMs), step: ms(kind.stepMs) });
    case "session":
      return make["session"]!({ ...bounded, gap: ms(kind.gapMs) });
    case "day":
      return make["calendar"]!({ ...bounded, per: "day", zone: "UTC" });
    case "global":
      return make["global"]!(common);
  }
}

const noFeedback: Feedback = () => [];

const modelOf = (shape: Shape, feedback = noFeedback): ItemModel =>
  shape.kind.type === "session" ? new ItemSessionModel(shape, feedback) : new ItemModel(shape, feedback);

function make(shape: Shape, feedback = noFeedback): unknown {
  const apply = (ops: readonly Op[], { w }: any): void => {
    for (const { op, id, at, n } of ops)
      if (op === "remove") w.remove(id);
      else w.put(id, { n, ids: { id }, latest: id, shops: shopOf(n), best: { item: shopOf(n), by: n } }, at);
  };
  const values = topic("values", { key: user, value: Value, time: (v) => v.at, outOfOrder: `${shape.disorderMs}ms` });
  const rows = topic("rows", { key: user, value: s.string });
  return processor({
    name: "windowed",
    version: 1,
    key: user,
    order: shape.order,
    inputs: { values },
    outputs: { rows },
    onError: { handler: "skip" } as never,
    windows: { w: windowOf(shape) },
  }).handle({
    on: {
      values(v: any, ctx: any) {
        const event = JSON.parse(v.body) as Event;
        apply(event.ops, ctx.windows);
        ctx.out.rows.emit(JSON.stringify({ what: "current", key: ctx.key, result: ctx.windows.w.current(event.readAt) ?? null }));
        if (event.throws) throw new Error("after the ops");
      },
    },
    ...(shape.emit === "none"
      ? {}
      : {
          onWindow: {
            w(result: any, ctx: any) {
              const { start, end, revision, final, previous = null } = ctx.window;
              ctx.out.rows.emit(JSON.stringify({ what: "window", key: ctx.key, start, end, result, previous, revision, final }));
              apply(feedback("window", start, end, revision), ctx.windows);
            },
          },
        }),
    ...(shape.late === "handle" && shape.kind.type !== "global"
      ? {
          onLate: {
            w(v: any, ctx: any) {
              const { start, end } = ctx.window;
              ctx.out.rows.emit(JSON.stringify({ what: "late", key: ctx.key, start, end, n: v.n }));
              apply(feedback("late", start, end, 0), ctx.windows);
            },
          },
        }
      : {}),
  } as never);
}

const kinds: readonly Kind[] = [
  { type: "tumbling", sizeMs: 10 },
  { type: "hopping", sizeMs: 20, everyMs: 8 },
  { type: "rolling", sizeMs: 30, stepMs: 5 },
  { type: "session", gapMs: 6 },
  { type: "day" },
  { type: "global" },
];

const shapes: Shape[] = [];
for (const kind of kinds)
  for (const emit of kind.type === "global" ? (["change", "none"] as const) : (["final", "end", "change", "none"] as const))
    for (const order of ["log", "event-time"] as const)
      for (const [i, [graceMs, disorderMs]] of (
        [
          [0, 0],
          [0, 7],
          [15, 0],
          [25, 12],
        ] as const
      ).entries()) {
        const late = (["drop", "dead-letter", "handle"] as const)[i % 3] as Shape["late"];
        const base: Shape = { kind, order, emit, late, graceMs, disorderMs };
        shapes.push(base);
        if (kind.type !== "global") shapes.push({ ...base, late: "handle", keepMs: 13 });
        if (emit === "end" || emit === "change") {
          shapes.push({ ...base, throttleMs: 9 });
          if (kind.type !== "global") shapes.push({ ...base, throttleMs: 20, keepMs: 30 });
        }
      }

const named = (shape: Shape, seed: number): [string, Shape, number] => [JSON.stringify(shape).replaceAll('"', ""), shape, seed];

/** A day is long: its times are, too. */
function scaled(shape: Shape): { shape: Shape; scale: number } {
  if (shape.kind.type !== "day") return { shape, scale: 1 };
  const scale = 9_000_000;
  const times = Object.entries(shape).map(([name, value]) => [name, typeof value === "number" ? value * scale : value]);
  return { shape: Object.fromEntries(times) as Shape, scale };
}

function eventsOf(random: Random, scale: number, count: number, throwing: number): Event[] {
  const events: Event[] = [];
  // Below 1970, and over it.
  let now = -200;
  const time = (most: number): number => Math.round((now + random.pick([2, 0, 0, -1, -4, -9, -12, -25, -40].slice(0, most))) * scale) + 0;
  for (let i = 0; i < count; i++) {
    now += random.pick([0, 0, 1, 2, 5, 30]);
    const ops: Op[] = [];
    for (let n = random.pick([0, 1, 1, 1, 2, 3]); n > 0; n--)
      ops.push({
        op: random.chance(0.25) ? "remove" : "put",
        id: random.pick(["p", "q", "r", "s", "t", "é"]),
        at: time(9),
        // Sums in another order are others.
        n: random.pick([0.1, 0.2, 0.3, -0.7, 1e16, 3, 3, 4]),
      });
    if (ops.length > 0 && random.chance(0.1)) ops.push(ops[0] as Op);
    events.push({ key: random.pick(["a", "b", "c"]), at: time(9), ops, readAt: time(6), throws: random.chance(throwing) });
  }
  return events;
}

function append(run: TaskRun, reader: MemoryReader, events: readonly Event[]): void {
  const { key: keyRuntime, inputs } = run.processor;
  for (const e of events)
    reader.append("values", {
      key: keyRuntime.encode(e.key),
      value: inputs[0]!.value.encode({ at: e.at, body: JSON.stringify(e) }),
      timestampMs: 1,
    });
}

function rowsOf({ outputs, processor: { outputs: declared } }: TaskRun): unknown[] {
  const { value: schema } = declared[0]!;
  return outputs
    .filter((o) => o.output === 0)
    .map(({ value }) => JSON.parse(schema.decode(value as Buffer, 0, (value as Buffer).length) as string) as unknown);
}

describe("windows with items", () => {
  test.each(shapes.map(named))("%s: as a plain model over random puts and removes, with restarts", async (_name, given, seed) => {
    const { shape, scale } = scaled(given);
    const random = new Random(seed);
    // What was late is counted at once: not undone when the handler throws.
    const throwing = seed % 4 === 0 ? 0.1 : 0;
    const events = eventsOf(random, scale, 80, throwing);
    const reader = new MemoryReader();
    const run = new TaskRun(make(shape), reader, { batchRecords: random.pick([1, 7, 64]), maxCachedKeys: random.pick([0, 1, 100]) });
    const { key: keyRuntime } = run.processor;
    append(run, reader, events);
    const model = modelOf(shape);
    let late = 0;
    reader.ends.set("values", 0);
    for (let from = 0, end = 0; from < events.length; from = end) {
      end = Math.min(events.length, from + 1 + random.below(40));
      for (const event of events.slice(from, end)) model.take(event);
      reader.ends.set("values", end);
      await run.drain(random.pick([1, 3]));
      for (const name of ["a", "b", "c"]) {
        const range = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY, watermarkMs: run.task.committedWatermarkMs };
        const seen = [...run.task.window("w").committed(keyRuntime.encode(name), range)];
        expect(JSON.parse(JSON.stringify(seen.map((w) => [w.start, w.end, w.result])))).toEqual(model.readable(name));
      }
      late += run.task.late.reduce((n, one) => n + one.records, 0);
      await run.restart();
    }
    const got = rowsOf(run);
    expect(got).toEqual(model.out);
    expect(run.outputs.length - got.length).toBe(model.deadLetters);
    if (throwing === 0) expect(late).toBe(model.lateRecords);
  });

  const shapesThatFeedBack = shapes
    .filter(({ kind, emit, throttleMs }) => kind.type !== "global" && kind.type !== "day" && emit !== "change" && throttleMs === undefined)
    .map((shape): Shape => ({ ...shape, late: "handle" }));

  test.each(shapesThatFeedBack.map(named))("%s: handlers of windows and late items that put and remove", async (_name, shape, seed) => {
    // One that is over has not been given out yet when the handler of the one before changes what it has.
    const feedbackOf =
      (given = new Map<number, number>()): Feedback =>
      (what, start, end, revision) => {
        if (what === "late") return [{ op: "put", id: "q", at: end + 50, n: 7 }];
        // A session that is gone and comes again has its first revision again: they could take turns for ever.
        const times = given.get(start) ?? 0;
        given.set(start, times + 1);
        const random = new Random(start + 10_000);
        const op = (): Op => ({
          op: random.chance(0.3) ? "remove" : "put",
          id: random.pick(["p", "q", "r"]),
          at: start + random.pick([-25, -5, 3, 12, 18, 21, 25, 30]),
          n: random.pick([0.1, 0.2, 5]),
        });
        return revision > 1 || times > 1 ? [] : [op(), op()];
      };
    const events = eventsOf(new Random(seed), 1, 80, 0).map((e): Event => ({ ...e, key: "a" }));
    const reader = new MemoryReader();
    const run = new TaskRun(make(shape, feedbackOf()), reader, { batchRecords: 7 });
    append(run, reader, events);
    const model = modelOf(shape, feedbackOf());
    for (let end = 0; end <= events.length; end += 16) {
      reader.ends.set("values", end);
      await run.drain();
      await run.restart();
    }
    for (const event of events) model.take(event);
    expect(rowsOf(run)).toEqual(model.out);
  });

  test("the state and the outputs do not depend on batches, caches, commits and restarts", { timeout: 60_000 }, async () => {
    for (const given of shapes.filter((_, i) => i % 23 === 0)) {
      const { shape, scale } = scaled(given);
      const events = eventsOf(new Random(9), scale, 120, 0.05);
      const seen = new Set<string>();
      for (const [batchRecords, maxCachedKeys, perCommit, restart] of [
        [64, 100, 1, 1000],
        [1, 0, 1, 3],
        [7, 1, 4, 40],
      ] as const) {
        const reader = new MemoryReader();
        const run = new TaskRun(make(shape), reader, { batchRecords, maxCachedKeys });
        append(run, reader, events);
        for (let end = Math.min(restart, 120); ; end = Math.min(end + restart, 120)) {
          reader.ends.set("values", end);
          await run.drain(perCommit);
          if (end === 120) break;
          await run.restart();
        }
        seen.add(`${run.task.meta.digest} ${run.task.meta.outputs}`);
      }
      expect([...seen], JSON.stringify(shape)).toHaveLength(1);
    }
  });

  test("nothing is left of windows that are over", { timeout: 60_000 }, async () => {
    for (const given of shapes.filter(({ kind }, i) => kind.type !== "global" && i % 5 === 0)) {
      const { shape, scale } = scaled(given);
      const reader = new MemoryReader();
      const run = new TaskRun(make(shape), reader);
      const far = (n: number): Event => ({ key: "z", at: (5000 + n) * scale, ops: [], readAt: 0, throws: false });
      append(run, reader, [...eventsOf(new Random(4), scale, 60, 0), far(0), far(500)]);
      await run.drain();
      await run.restart();
      const kept: string[] = [];
      for await (const rows of run.store.scan({ from: Buffer.from([1]) }))
        for (const row of rows) kept.push(Buffer.from(row.key).toString("hex"));
      // With `order: "event-time"`, the last record is held.
      expect(kept, JSON.stringify(shape)).toHaveLength(shape.order === "event-time" && shape.disorderMs > 0 ? 1 : 0);
    }
  });
});
