import { fold, key, processor, topic, windows } from "@reprise/processor";
import { s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { MemoryReader, TaskRun } from "../support/task-run.ts";
import { Random } from "../support/random.ts";

const sizeMs = 10;
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

type Emit = "final" | "end" | "none";
type Late = "drop" | "dead-letter" | "handle";
interface Shape {
  readonly emit: Emit;
  readonly late: Late;
  readonly graceMs: number;
  readonly disorderMs: number;
}

function make({ emit, late, graceMs, disorderMs }: Shape): unknown {
  const values = topic("values", { key: user, value: Value, time: (v) => v.at, outOfOrder: `${disorderMs}ms` });
  const rows = topic("rows", { key: user, value: Row });
  const row = (what: string, w: { start: number; end: number }, result: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
    what,
    start: w.start,
    end: w.end,
    count: 0,
    sum: 0,
    min: 0,
    last: 0,
    previous: -1,
    revision: 0,
    final: false,
    ...result,
    ...more,
  });
  const flat = (r: { count: number; n: { sum: number; min: number }; lastAt: number }) => ({
    count: r.count,
    sum: r.n.sum,
    min: r.n.min,
    last: r.lastAt,
  });
  return processor({
    name: "windowed",
    version: 1,
    key: user,
    inputs: { values },
    outputs: { rows },
    windows: {
      w: windows.tumbling({
        size: `${sizeMs}ms`,
        grace: `${graceMs}ms`,
        emit: emit as "end",
        late: late as "handle",
        aggregate: { n: ["sum", "min"], lastAt: fold(s.long, { initial: 0, add: (_total: number, at: number) => at }) },
      }),
    },
  }).handle({
    on: {
      values(v: any, ctx: any) {
        ctx.windows.w.add({ n: v.n, lastAt: v.at });
      },
    },
    ...(emit === "none"
      ? {}
      : {
          onWindow: {
            w(result: never, ctx: any) {
              const previous = ctx.window.previous?.count ?? -1;
              ctx.out.rows.emit(
                row("window", ctx.window, flat(result), { previous, revision: ctx.window.revision, final: ctx.window.final }),
              );
            },
          },
        }),
    ...(late === "handle"
      ? {
          onLate: {
            w(v: any, ctx: any) {
              ctx.out.rows.emit(row("late", ctx.window, { count: 1, sum: v.n, min: v.n, last: v.lastAt }));
            },
          },
        }
      : {}),
  } as never);
}

interface Event {
  readonly key: string;
  readonly at: number;
  readonly n: number;
}

/** The same, the plain way: windows as lists of events. */
function naive(
  { emit, late, graceMs, disorderMs }: Shape,
  events: readonly Event[],
): { out: unknown[]; deadLetters: number; dropped: number } {
  const open = new Map<string, { key: string; start: number; events: Event[]; emitted: number; revision: number }>();
  const out: unknown[] = [];
  let deadLetters = 0;
  let dropped = 0;
  let watermark = Number.NEGATIVE_INFINITY;
  const sum = (list: readonly Event[]) => ({
    count: list.length,
    sum: list.reduce((total, e) => total + e.n, 0),
    min: Math.min(...list.map((e) => e.n)),
    last: list.at(-1)?.at,
  });
  const settle = (): void => {
    const due: { time: number; closing: boolean; id: string }[] = [];
    for (const [id, w] of open) {
      const end = w.start + sizeMs;
      if (emit === "end" && end <= watermark && w.emitted !== w.events.length) due.push({ time: end, closing: false, id });
      if (end + graceMs <= watermark) due.push({ time: end + graceMs, closing: true, id });
    }
    due.sort((a, b) => a.time - b.time || Number(a.closing) - Number(b.closing) || (a.id < b.id ? -1 : 1));
    for (const { closing, id } of due) {
      const w = open.get(id) as NonNullable<ReturnType<typeof open.get>>;
      const end = w.start + sizeMs;
      const base = { what: "window", key: w.key, start: w.start, end, ...sum(w.events) };
      if (!closing) {
        out.push({ ...base, previous: w.emitted === 0 ? -1 : w.emitted, revision: ++w.revision, final: end + graceMs <= watermark });
        w.emitted = w.events.length;
        continue;
      }
      open.delete(id);
      if (emit === "final") out.push({ ...base, previous: -1, revision: 1, final: true });
    }
  };
  let highest = Number.NEGATIVE_INFINITY;
  for (const event of events) {
    highest = Math.max(highest, event.at);
    watermark = highest - disorderMs;
    settle();
    const start = Math.floor(event.at / sizeMs) * sizeMs;
    if (start + sizeMs + graceMs <= watermark) {
      if (late === "drop") dropped++;
      else if (late === "dead-letter") deadLetters++;
      else out.push({ what: "late", key: event.key, start, end: start + sizeMs, ...sum([event]), previous: -1, revision: 0, final: false });
      continue;
    }
    const id = `${event.key}\0${String(start).padStart(6, "0")}`;
    const w = open.get(id) ?? { key: event.key, start, events: [], emitted: 0, revision: 0 };
    open.set(id, w);
    w.events.push(event);
    settle();
  }
  return { out, deadLetters, dropped };
}

const shapes: Shape[] = [];
for (const emit of ["final", "end", "none"] as const)
  for (const late of ["drop", "dead-letter", "handle"] as const)
    for (const [graceMs, disorderMs] of [
      [0, 0],
      [0, 7],
      [15, 0],
      [5, 12],
    ] as const)
      shapes.push({ emit, late, graceMs, disorderMs });

describe("tumbling windows", () => {
  test.each(shapes)("emit $emit, late $late, grace $graceMs, disorder $disorderMs: as a plain model over random streams", async (shape) => {
    for (let seed = 0; seed < 4; seed++) {
      const random = new Random(seed);
      const reader = new MemoryReader();
      const events: Event[] = [];
      let now = 1000;
      for (let i = 0; i < 250; i++) {
        now += random.pick([0, 0, 1, 2, 5, 30]);
        const event = {
          key: random.pick(["a", "b", "c"]),
          at: Math.max(0, now - random.pick([0, 0, 1, 4, 9, 12, 25, 40])),
          n: random.below(9) - 4,
        };
        events.push(event);
      }
      const run = new TaskRun(make(shape), reader, { batchRecords: random.pick([1, 7, 64]), maxCachedKeys: random.pick([0, 1, 100]) });
      const { key: keyRuntime, inputs } = run.processor;
      for (const e of events)
        reader.append("values", { key: keyRuntime.encode(e.key), value: inputs[0]!.value.encode({ at: e.at, n: e.n }), timestampMs: 1 });
      const expected = naive(shape, events);
      // Restarts on the way must not show.
      reader.ends.set("values", 0);
      for (let end = 0; end < 250; end += 1 + random.below(90)) {
        reader.ends.set("values", end);
        await run.drain(random.pick([1, 3]));
        await run.restart();
      }
      reader.ends.delete("values");
      const dropped = run.task.counters.lateDropped;
      await run.drain();
      const rows = run.outputs.filter((o) => o.output === 0);
      const got = rows.map(({ key: k, value }) => ({
        key: k.toString(),
        ...(run.processor.outputs[0]!.value.decode(value as Buffer, 0, (value as Buffer).length) as object),
      }));
      expect(got).toEqual(expected.out);
      expect(run.outputs.length - rows.length).toBe(expected.deadLetters);
      expect(run.task.counters.lateDropped - dropped).toBeLessThanOrEqual(expected.dropped);
      expect(run.task.meta.digest).not.toBe("");
    }
  });

  test("a time that is none is refused, and stops no other timer or window", async () => {
    const values = topic("values", { key: user, value: Value, time: (v) => v.at });
    const rows = topic("rows", { key: user, value: s.long });
    const run = new TaskRun(
      processor({
        name: "broken-times",
        version: 1,
        key: user,
        inputs: { values },
        outputs: { rows },
        windows: { w: windows.tumbling({ size: "10ms", aggregate: {} }) },
        onError: { handler: "skip" } as never,
      }).handle({
        on: {
          values(v, ctx) {
            if (v.n < 0) (ctx.windows.w as any).add({}, Number.NaN);
            else ctx.windows.w.add({});
          },
        },
        onWindow: {
          w(result, ctx) {
            ctx.out.rows.emit(result.count);
          },
        },
      }),
      new MemoryReader(),
    );
    const { key: keyRuntime, inputs } = run.processor;
    for (const [at, n] of [
      [5, 1],
      [5, -1],
      [6, 1],
      [100, 1],
    ] as const)
      run.reader.append("values", { key: keyRuntime.encode("a"), value: inputs[0]!.value.encode({ at, n }), timestampMs: 1 });
    await run.drain();
    expect(run.outputs).toHaveLength(1);
  });

  test("a fold that returns what its schema does not take fails at its record, not at the commit", async () => {
    const values = topic("values", { key: user, value: Value, time: (v) => v.at });
    const run = new TaskRun(
      processor({
        name: "broken-fold",
        version: 1,
        key: user,
        inputs: { values },
        windows: {
          w: windows.tumbling({
            size: "10ms",
            emit: "none",
            aggregate: { f: fold(s.long, { initial: 0, add: (total: number, n: number) => (n < 0 ? ("x" as never) : total + n) }) },
          }),
        },
      }).handle({
        on: {
          values(v, ctx) {
            ctx.windows.w.add({ f: v.n });
          },
        },
      }),
      new MemoryReader(),
    );
    const { key: keyRuntime, inputs } = run.processor;
    for (const n of [1, -1, 2])
      run.reader.append("values", { key: keyRuntime.encode("a"), value: inputs[0]!.value.encode({ at: 5, n }), timestampMs: 1 });
    await run.drain();
    expect(run.task.failure?.code).toBe("HANDLER_FAILED");
    expect(run.task.failure?.message).toContain("values-0@1");
    expect(run.task.position).toEqual({ values: 1 });
  });
});
