import { distinct, first, fold, key, last, processor, top, topic, windows } from "@reprise/processor";
import { RepriseError, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { MemoryReader, TaskRun } from "../support/task-run.ts";
import { Random } from "../support/random.ts";

const user = key("user", s.string);
const Event = s.record("Event", { at: s.long, n: s.double, shop: s.string, act: s.string });
interface Event {
  readonly key: string;
  readonly at: number;
  readonly n: number;
  readonly shop: string;
  /** ok: added · throws: added, then the handler throws · fold: the fold throws · read: added and read. */
  readonly act: string;
}
const sizeMs = 50;
const graceMs = 60;

/** Emits results as JSON: of windows as they come, and of what `current` gives. */
const make = (): unknown =>
  processor({
    name: "aggregated",
    version: 1,
    key: user,
    inputs: { events: topic("events", { key: user, value: Event, time: (e) => e.at, outOfOrder: "30ms" }) },
    outputs: { rows: topic("rows", { key: user, value: s.string }) },
    onError: { handler: "skip" } as never,
    windows: {
      w: windows.tumbling({
        size: `${sizeMs}ms`,
        grace: `${graceMs}ms`,
        emit: "end",
        aggregate: {
          n: ["sum", "variance", "p50", "p95"],
          opened: first(s.string),
          closed: last(s.string),
          shops: distinct(s.string),
          about: distinct(s.string, { approximate: true }),
          best: top(2, s.string),
          // Changes its total in place before it throws.
          acts: fold(s.array(s.string), {
            initial: [],
            add(total, act: string) {
              (total as string[]).push(act);
              if (act === "fold") throw new Error("no");
              return total;
            },
          }),
        },
      }),
    },
  }).handle({
    on: {
      events(e, ctx) {
        ctx.windows.w.add({
          n: e.n,
          opened: e.shop,
          closed: e.shop,
          shops: e.shop,
          about: e.shop,
          best: { item: e.shop, by: Math.round(e.n) },
          acts: e.act,
        });
        if (e.act === "throws") throw new Error("after it was added");
        if (e.act === "read")
          ctx.out.rows.emit(JSON.stringify({ start: Math.floor(e.at / sizeMs) * sizeMs, current: ctx.windows.w.current() ?? null }));
      },
    },
    onWindow: {
      w(result, ctx) {
        const { start, revision, previous, final } = ctx.window;
        ctx.out.rows.emit(JSON.stringify({ start, revision, final, result, previous: previous ?? null }));
      },
    },
  });

const round = (n: number): number => Number(n.toPrecision(9));

/** Of the events that count, in the order in which they came. */
function aggregated(events: readonly Event[]): { readonly [name: string]: unknown } {
  const n = events.map((e) => e.n);
  const sum = n.reduce((a, b) => a + b, 0);
  const sums = new Map<string, number>();
  for (const e of events) sums.set(e.shop, (sums.get(e.shop) ?? 0) + Math.round(e.n));
  const rank = (p: number): number => n.toSorted((a, b) => a - b)[Math.ceil(p * n.length) - 1] as number;
  return {
    count: events.length,
    sum: round(sum),
    variance: round(n.reduce((a, b) => a + (b - sum / n.length) ** 2, 0) / n.length),
    p50: rank(0.5),
    p95: rank(0.95),
    opened: events.reduce((a, b) => (b.at < a.at ? b : a)).shop,
    closed: events.reduce((a, b) => (b.at >= a.at ? b : a)).shop,
    shops: new Set(events.map((e) => e.shop)).size,
    best: [...sums]
      .map(([item, by]) => ({ item, by }))
      .sort((a, b) => b.by - a.by || (a.item < b.item ? -1 : 1))
      .slice(0, 2),
    acts: events.map((e) => e.act),
  };
}

/** The same of a result, once its percentiles and its estimate were compared with what they should be. */
function checked(result: any, events: readonly Event[]): { readonly [name: string]: unknown } {
  const { n, about, ...others } = result;
  const { p50, p95 } = aggregated(events) as { p50: number; p95: number };
  expect(Math.abs(n.p50 / p50 - 1)).toBeLessThan(0.0100001);
  expect(Math.abs(n.p95 / p95 - 1)).toBeLessThan(0.0100001);
  expect(Math.abs(about - others.shops)).toBeLessThanOrEqual(2);
  return { ...others, sum: round(n.sum), variance: round(n.variance), p50, p95 };
}

/** What comes out, the plain way: windows as lists of events. */
function expectRows(rows: readonly { key: string; row: any }[], events: readonly Event[]): void {
  const open = new Map<string, { key: string; start: number; events: Event[]; emitted: Event[] | undefined; revision: number }>();
  const left = [...rows];
  let watermark = Number.NEGATIVE_INFINITY;
  const settle = (): void => {
    const due = [...open.values()]
      .filter((w) => w.start + sizeMs <= watermark && w.emitted?.length !== w.events.length)
      .sort((a, b) => a.start - b.start || (a.key < b.key ? -1 : 1));
    for (const w of due) {
      const { key: k, row } = left.shift() as { key: string; row: any };
      expect({ key: k, start: row.start, revision: row.revision }).toEqual({ key: w.key, start: w.start, revision: ++w.revision });
      expect(checked(row.result, w.events)).toEqual(aggregated(w.events));
      if (w.emitted === undefined) expect(row.previous).toBeNull();
      else expect(checked(row.previous, w.emitted)).toEqual(aggregated(w.emitted));
      w.emitted = [...w.events];
    }
    for (const [id, w] of open) if (w.start + sizeMs + graceMs <= watermark) open.delete(id);
  };
  let highest = Number.NEGATIVE_INFINITY;
  for (const event of events) {
    highest = Math.max(highest, event.at);
    watermark = highest - 30;
    settle();
    const start = Math.floor(event.at / sizeMs) * sizeMs;
    const id = `${event.key} ${start}`;
    const inTime = start + sizeMs + graceMs > watermark;
    if (inTime && event.act !== "throws" && event.act !== "fold") {
      const w = open.get(id) ?? { key: event.key, start, events: [], emitted: undefined, revision: 0 };
      open.set(id, w);
      w.events.push(event);
    }
    if (event.act === "read") {
      const { row } = left.shift() as { row: any };
      expect(row.start).toBe(start);
      const w = open.get(id);
      if (w === undefined) expect(row.current).toBeNull();
      else expect(checked(row.current, w.events)).toEqual(aggregated(w.events));
    }
    settle();
  }
  expect(left).toEqual([]);
}

describe("a window with aggregates of all kinds", () => {
  test.each([1, 2, 3, 4])(
    "has what a plain model has, and the same state, with any batches, caches, commits and restarts (seed %i)",
    async (seed) => {
      const random = new Random(seed);
      let now = 1000;
      const events = Array.from({ length: 600 }, (): Event => {
        now += random.pick([0, 0, 1, 2, 10]);
        return {
          key: random.pick(["a", "b"]),
          at: now - random.pick([0, 0, 3, 20, 45, 90]),
          n: 1 + random.next() * 10 ** random.below(4),
          shop: `ö${random.below(40)}`,
          act: random.pick(["ok", "ok", "ok", "ok", "read", "throws", "fold"]),
        };
      });
      const runs: { text: string[]; digest: string }[] = [];
      for (const [batchRecords, maxCachedKeys, batchesPerCommit, restarts] of [
        [64, 100, 1, false],
        [1, 0, 1, true],
        [7, 1, 5, true],
      ] as const) {
        const reader = new MemoryReader();
        const run = new TaskRun(make(), reader, { batchRecords, maxCachedKeys });
        const { key: keys, inputs } = run.processor;
        for (const { key: k, ...e } of events)
          reader.append("events", { key: keys.encode(k), value: inputs[0]!.value.encode(e), timestampMs: 1 });
        if (restarts) {
          for (let end = 0; end < 600; end += 1 + random.below(60)) {
            reader.ends.set("events", end);
            await run.drain(batchesPerCommit);
            await run.restart();
          }
          reader.ends.delete("events");
        }
        await run.drain(batchesPerCommit);
        const rows = run.outputs.map(({ key: k, value }) => ({ key: k.toString(), text: (value as Buffer).toString() }));
        expectRows(
          rows.map(({ key: k, text }) => ({ key: k, row: JSON.parse(text) })),
          events,
        );
        expect(rows.length).toBeGreaterThan(60);
        runs.push({ text: rows.map(({ text }) => text), digest: run.task.meta.digest });
      }
      for (const other of runs) expect(other).toEqual(runs[0]);
    },
  );

  test("an own fold that throws fails at its record, and nothing of it was added", async () => {
    const events = topic("events", { key: user, value: Event, time: (e) => e.at });
    const seen: unknown[] = [];
    const run = new TaskRun(
      processor({
        name: "throwing",
        version: 1,
        key: user,
        inputs: { events },
        windows: {
          w: windows.tumbling({
            size: "1s",
            emit: "none",
            aggregate: {
              n: "sum",
              f: fold(s.long, {
                initial: 0,
                add(total: number, n: number) {
                  if (n < 0) throw new Error(`${n} is negative`);
                  return total + n;
                },
              }),
            },
          }),
        },
      }).handle({
        on: {
          events(e, ctx) {
            seen.push(ctx.windows.w.current());
            ctx.windows.w.add({ n: e.n, f: e.n });
          },
        },
      }),
      new MemoryReader(),
    );
    const { key: keys, inputs } = run.processor;
    for (const n of [1, -1, 2])
      run.reader.append("events", {
        key: keys.encode("a"),
        value: inputs[0]!.value.encode({ at: 5, n, shop: "", act: "" }),
        timestampMs: 1,
      });
    await run.drain();
    expect(run.task.failure).toBeInstanceOf(RepriseError);
    expect(run.task.failure?.code).toBe("HANDLER_FAILED");
    expect(run.task.failure?.message).toContain("events-0@1");
    expect(run.task.position).toEqual({ events: 1 });
    expect(seen).toEqual([undefined, { count: 1, n: 1, f: 1 }]);
  });
});
