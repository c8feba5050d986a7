import { fold, key, processor, topic, windows } from "@reprise/processor";
import { s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { Random } from "../support/random.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";
import { type Event, type Kind, type Shape, WindowModel } from "./window-model.ts";

const user = key("user", s.string);
const Value = s.record("Value", { at: s.long, n: s.double });
const Row = s.record("Row", {
  what: s.string,
  start: s.long,
  end: s.long,
  count: s.long,
  sum: s.double,
  min: s.double,
  last: s.long,
  previous: s.long,
  revision: s.long,
  final: s.boolean,
});
const blank = { start: 0, end: 0, count: 0, sum: 0, min: 0, last: 0, previous: -1, revision: 0, final: false };

function windowOf({ kind, emit, late, graceMs, throttleMs, keepMs }: Shape): never {
  const ms = (n: number): string => `${n}ms`;
  const common = {
    emit,
    aggregate: {
      n: ["sum", "min"],
      lastAt: fold(s.long, { initial: -1e12, add: (a: number, at: number) => Math.max(a, at), merge: (a, b) => Math.max(a, b) }),
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
      return make["session"]!({ ...bounded, gap: ms(kind.gapMs), ...(kind.maxMs === undefined ? {} : { max: ms(kind.maxMs) }) });
    case "day":
      return make["calendar"]!({ ...bounded, per: "day", zone: "UTC" });
    case "global":
      return make["global"]!(common);
  }
}

function make(shape: Shape): unknown {
  const values = topic("values", { key: user, value: Value, time: (v) => v.at, outOfOrder: `${shape.disorderMs}ms` });
  const rows = topic("rows", { key: user, value: Row });
  const flat = (r: any) => (r.count === 0 ? {} : { count: r.count, sum: r.n.sum, min: r.n.min, last: r.lastAt });
  return processor({
    name: "windowed",
    version: 1,
    key: user,
    inputs: { values },
    outputs: { rows },
    windows: { w: windowOf(shape) },
  }).handle({
    on: {
      values(v: any, ctx: any) {
        ctx.windows.w.add({ n: v.n, lastAt: v.at });
        ctx.out.rows.emit({ ...blank, what: "current", count: ctx.windows.w.current()?.count ?? -1 });
      },
    },
    ...(shape.emit === "none"
      ? {}
      : {
          onWindow: {
            w(result: any, ctx: any) {
              const { start, end, revision, final, previous } = ctx.window;
              ctx.out.rows.emit({
                ...blank,
                what: "window",
                start,
                end,
                ...flat(result),
                previous: previous?.count ?? -1,
                revision,
                final,
              });
            },
          },
        }),
    ...(shape.late === "handle" && shape.kind.type !== "global"
      ? {
          onLate: {
            w(v: any, ctx: any) {
              const { start, end } = ctx.window;
              ctx.out.rows.emit({ ...blank, what: "late", start, end, count: 1, sum: v.n, min: v.n, last: v.lastAt });
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
  { type: "session", gapMs: 6, maxMs: 15 },
  { type: "day" },
  { type: "global" },
];

const shapes: Shape[] = [];
for (const kind of kinds)
  for (const emit of kind.type === "global" ? (["change", "none"] as const) : (["final", "end", "change", "none"] as const))
    for (const [i, [graceMs, disorderMs]] of (
      [
        [0, 0],
        [0, 7],
        [15, 0],
        [5, 12],
      ] as const
    ).entries()) {
      const late = (["drop", "dead-letter", "handle"] as const)[i % 3] as Shape["late"];
      const base: Shape = { kind, emit, late, graceMs, disorderMs };
      shapes.push(base);
      if (kind.type !== "global") shapes.push({ ...base, late: "handle", keepMs: 13 });
      if (emit === "end" || emit === "change") {
        shapes.push({ ...base, throttleMs: 9 });
        if (kind.type !== "global") shapes.push({ ...base, throttleMs: 20, keepMs: 30 });
      }
    }

const named = (shape: Shape): [string, Shape] => [JSON.stringify(shape).replaceAll('"', ""), shape];

function eventsOf(random: Random, scale: number, count: number): Event[] {
  const events: Event[] = [];
  // Below 1970, and over it.
  let now = -200;
  for (let i = 0; i < count; i++) {
    now += random.pick([0, 0, 1, 2, 5, 30]);
    const at = now - random.pick([0, 0, 1, 4, 9, 12, 25, 40]);
    events.push({ key: random.pick(["a", "b", "c"]), at: Math.round(at * scale) + 0, n: random.below(9) - 4 });
  }
  return events;
}

describe("windows of every kind and emission", () => {
  test.each(shapes.map(named))("%s: as a plain model over random streams, with restarts", async (_name, given) => {
    // A day is long: its times are, too.
    const scale = given.kind.type === "day" ? 9_000_000 : 1;
    const scaled = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms * scale);
    const shape = {
      ...given,
      graceMs: given.graceMs * scale,
      disorderMs: given.disorderMs * scale,
      throttleMs: scaled(given.throttleMs),
      keepMs: scaled(given.keepMs),
    } as Shape;
    for (let seed = 0; seed < 3; seed++) {
      const random = new Random(seed);
      const events = eventsOf(random, scale, 160);
      const reader = new MemoryReader();
      const run = new TaskRun(make(shape), reader, { batchRecords: random.pick([1, 7, 64]), maxCachedKeys: random.pick([0, 1, 100]) });
      const { key: keyRuntime, inputs, outputs } = run.processor;
      for (const e of events)
        reader.append("values", { key: keyRuntime.encode(e.key), value: inputs[0]!.value.encode({ at: e.at, n: e.n }), timestampMs: 1 });
      const model = new WindowModel(shape);
      const late = { records: 0, fromMs: Number.POSITIVE_INFINITY, toMs: Number.NEGATIVE_INFINITY };
      const count = (): void => {
        for (const one of run.task.late) {
          late.records += one.records;
          late.fromMs = Math.min(late.fromMs, one.fromMs);
          late.toMs = Math.max(late.toMs, one.toMs);
        }
      };
      reader.ends.set("values", 0);
      for (let from = 0, end = 0; from < events.length; from = end) {
        end = Math.min(events.length, from + 1 + random.below(60));
        for (const event of events.slice(from, end)) model.take(event);
        reader.ends.set("values", end);
        await run.drain(random.pick([1, 3]));
        for (const name of ["a", "b", "c"]) {
          const range = { from: Number.NEGATIVE_INFINITY, to: Number.POSITIVE_INFINITY, watermarkMs: run.task.committedWatermarkMs };
          const seen = [...run.task.window("w").committed(keyRuntime.encode(name), range)];
          expect(seen.map((w) => [w.start, w.end, w.result["count"]])).toEqual(model.readable(name));
        }
        count();
        await run.restart();
      }
      const rows = run.outputs.filter((o) => o.output === 0);
      const got = rows.map(({ key: k, value }) => ({
        key: k.toString(),
        ...(outputs[0]!.value.decode(value as Buffer, 0, (value as Buffer).length) as object),
      }));
      expect(got).toEqual(model.out);
      expect(run.outputs.length - rows.length).toBe(model.deadLetters);
      expect(late).toEqual(model.late);
    }
  });

  test("the state and the outputs do not depend on batches, caches, commits and restarts", async () => {
    for (const shape of shapes.filter((_, i) => i % 5 === 0)) {
      const seen = new Set<string>();
      for (const [batchRecords, maxCachedKeys, perCommit, restart] of [
        [64, 100, 1, 1000],
        [1, 0, 1, 3],
        [7, 1, 4, 40],
      ] as const) {
        const reader = new MemoryReader();
        const run = new TaskRun(make(shape), reader, { batchRecords, maxCachedKeys });
        const { key: keyRuntime, inputs } = run.processor;
        for (const e of eventsOf(new Random(9), shape.kind.type === "day" ? 9_000_000 : 1, 120))
          reader.append("values", { key: keyRuntime.encode(e.key), value: inputs[0]!.value.encode({ at: e.at, n: e.n }), timestampMs: 1 });
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
});
