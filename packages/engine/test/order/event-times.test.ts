import { events, ignore, key, processor, table, timer, topic } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { MemoryReader, TaskRun } from "../support/task-run.ts";
import { Random } from "../support/random.ts";

const device = key("device", s.string);
const Reading = s.record("Reading", { at: s.double, closes: s.double.optional() });
const out = topic("out", { key: device, value: s.string });
type Value = { readonly at: number; readonly closes: number | null };

/** Readings set a timer at their time, so that what fires says where the watermark is. */
function watching(
  options: Partial<Parameters<typeof topic<typeof device, Value>>[1]>,
  order: "log" | "event-time" = "log",
  decode: "fail" | "dead-letter" = "dead-letter",
): unknown {
  const readings = topic("readings", { key: device, value: json(Reading), time: (r) => r.at, ...options });
  return processor({
    ...{ name: "watching", version: 1, key: device, order, inputs: { readings }, outputs: { out } },
    timers: { passed: timer({ id: s.double }) },
    onError: { decode },
  }).handle({
    on: {
      readings({ at }, ctx) {
        ctx.out.out.emit(`at ${at}`);
        ctx.timers.passed.at(at, at);
      },
    },
    onTimer: {
      passed({ due }, ctx) {
        ctx.out.out.emit(`passed ${due}`);
      },
    },
  });
}

const given = (at: unknown, timestampMs: number, closes?: number) => ({
  key: Buffer.from("k"),
  value: Buffer.from(JSON.stringify(closes === undefined ? { at } : { at, closes })),
  timestampMs,
});

async function run(processorOf: unknown, records: readonly ReturnType<typeof given>[]): Promise<TaskRun> {
  const reader = new MemoryReader();
  for (const record of records) reader.append("readings", record);
  return new TaskRun(processorOf, reader).drain();
}

const texts = (done: TaskRun): string[] => done.outputs.filter(({ output }) => output === 0).map(({ value }) => String(value));
const reasons = (done: TaskRun): unknown[] =>
  done.outputs.filter(({ output }) => output === 1).map(({ headers }) => headers?.find((h) => h.key === "reprise-reason")?.value);

describe("event times", () => {
  test("one that is too far ahead of its record's timestamp does not decode, and moves no time", async () => {
    const done = await run(watching({ maxAhead: "1s" }), [given(1000, 1000), given(2001, 1000), given(2000, 1000), given(-5000, 1000)]);
    expect(texts(done)).toEqual(["at 1000", "passed 1000", "at 2000", "passed 2000", "at -5000", "passed -5000"]);
    expect(reasons(done)).toEqual(["the event time 2001 is 1001 ms ahead of the record's timestamp; its input allows 1000 (maxAhead)"]);
    expect(done.task.streamTimeMs).toBe(2000);
  });

  test("what is no time for a date does not decode; before 1970 there were times too", async () => {
    const done = await run(watching({}), [given(-8.64e15, 0), given(-1, 0), given(8.64e15 + 2, 0), given(5, 0)]);
    expect(texts(done)).toEqual(["at -8640000000000000", "passed -8640000000000000", "at -1", "passed -1", "at 5", "passed 5"]);
    expect(reasons(done)).toEqual(["the event time is 8640000000000002, a number of epoch ms within ±8640000000000000 was expected"]);
    expect(done.task.streamTimeMs).toBe(5);
  });

  test("a function that throws has a record that does not decode, and moves no time", async () => {
    const time = (r: Value): number => {
      if (r.at === 2) throw new Error("no clock");
      return r.at;
    };
    const done = await run(watching({ time }), [given(1, 50), given(2, 60), given(3, 70)]);
    expect(texts(done)).toEqual(["at 1", "passed 1", "at 3", "passed 3"]);
    expect(reasons(done)).toEqual(["no clock"]);
    expect(done.task.streamTimeMs).toBe(3);
  });

  test.each(["topic", "table"] as const)(
    "a %s that goes by the records' timestamps takes none that is no time, and its stream time stays",
    async (kind) => {
      const input = (kind === "topic" ? topic : table)("readings", { key: device, value: json(Reading) });
      const plain = processor({
        ...{ name: "plain", version: 1, key: device, outputs: { out } },
        inputs: { readings: input as unknown as typeof out },
      });
      const handled = plain.handle({ on: { readings: (_value, ctx) => ctx.out.out.emit(`at ${ctx.timestamp}`) } });
      const reader = new MemoryReader();
      for (const timestampMs of [10, 9.3e18, -9.3e18, -3, 11]) reader.append("readings", given(1, timestampMs));
      const done = await new TaskRun(handled, reader).drain();
      expect(done.task.failure).toMatchObject({ code: "RECORD_UNDECODABLE", details: { offset: 1 } });
      expect(done.task.failure?.message).toContain("the record's timestamp is 9300000000000000000");
      expect(done.task.streamTimeMs).toBe(10);
    },
  );
});

describe("watermark functions", () => {
  const closes = { watermark: (r: Value) => r.closes };

  test("without outOfOrder only what records say moves the watermark; what would move it back is ignored and counted", async () => {
    const records = [given(10, 0), given(50, 0), given(20, 0, 15), given(60, 0, 12), given(61, 0, 15), given(30, 0, 55)];
    const done = await run(watching(closes), records);
    expect(texts(done)).toEqual(["at 10", "at 50", "passed 10", "at 20", "at 60", "at 61", "passed 20", "passed 50", "at 30", "passed 30"]);
    expect(done.task.counters.watermarkIgnored).toBe(1);
    expect(done.task.meta).toMatchObject({ streamTimeMs: 61, watermarkMs: 55 });
  });

  test("with outOfOrder the later of both counts", async () => {
    const done = await run(watching({ ...closes, outOfOrder: "10ms" }), [given(10, 0), given(15, 0, 12), given(30, 0), given(31, 0, 5)]);
    expect(texts(done)).toEqual(["at 10", "passed 10", "at 15", "passed 15", "at 30", "at 31"]);
    expect(done.task.counters.watermarkIgnored).toBe(1);
    expect(done.task.meta.watermarkMs).toBe(21);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, "soon", undefined, 9e15])(
    "one that says %s has a record that does not decode",
    async (said) => {
      const done = await run(watching({ watermark: () => said as number }), [given(10, 0)]);
      expect(texts(done)).toEqual([]);
      expect(reasons(done)).toEqual([`the watermark is ${String(said)}, a number of epoch ms within ±8640000000000000 was expected`]);
      expect(done.task.meta.watermarkMs).toBeNull();
    },
  );

  test("one that throws has a record that does not decode, and its task stops in front of it", async () => {
    const thrower = watching(
      {
        watermark: () => {
          throw new Error("no market");
        },
      },
      "log",
      "fail",
    );
    const done = await run(thrower, [given(10, 0)]);
    expect(done.task.failure?.message).toMatch(/readings-0@0 does not decode: no market/);
  });

  test("records wait for what is said, also across restarts", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new Random(seed);
      const records = Array.from({ length: 60 }, () => given(random.below(1000), 0, random.chance(0.2) ? random.below(1000) : undefined));
      const straight = await run(watching(closes, "event-time"), records);
      // Plainly: all that is at or below the largest said so far, in order of time; what comes below it at once.
      let said = Number.NEGATIVE_INFINITY;
      const waiting: number[] = [];
      const expected: number[] = [];
      for (const { value } of records) {
        const { at, closes: close = null } = JSON.parse(String(value)) as { at: number; closes?: number };
        if (at < said) expected.push(at);
        else waiting.push(at);
        said = Math.max(said, close ?? said);
        waiting.sort((p, q) => p - q);
        while ((waiting[0] ?? Number.POSITIVE_INFINITY) <= said) expected.push(waiting.shift() as number);
      }
      const handled = (done: TaskRun): number[] => texts(done).flatMap((text) => (text.startsWith("at ") ? [Number(text.slice(3))] : []));
      expect(handled(straight), `seed ${seed}`).toEqual(expected);

      const reader = new MemoryReader();
      for (const record of records) reader.append("readings", record);
      const again = new TaskRun(watching(closes, "event-time"), reader, { batchRecords: 4, maxCachedKeys: 0 });
      while ((await again.task.step()) > 0) {
        again.commit();
        await again.restart();
      }
      expect(texts(again)).toEqual(texts(straight));
      expect(again.task.meta.digest).toBe(straight.task.meta.digest);
      expect(again.task.meta.watermarkMs).toBe(straight.task.meta.watermarkMs);
    }
  });

  test("an event that is ignored says it too", async () => {
    const market = events("readings", {
      key: device,
      by: { field: "kind" },
      of: { Trade: json(Reading), Close: json(Reading) },
      time: (e) => e.data.at,
      watermark: (e) => (e.type === "Close" ? e.data.at : null),
    });
    const trading = processor({
      ...{ name: "m", version: 1, key: device, order: "event-time", inputs: { market }, outputs: { out } },
    }).handle({
      on: { market: { Trade: ({ at }, ctx) => ctx.out.out.emit(`at ${at}`), Close: ignore } },
    });
    const reader = new MemoryReader();
    for (const [kind, at] of [
      ["Trade", 30],
      ["Trade", 20],
      ["Trade", 50],
      ["Close", 40],
    ] as const)
      reader.append("readings", { key: Buffer.from("k"), value: Buffer.from(JSON.stringify({ at, kind })), timestampMs: 0 });
    const done = await new TaskRun(trading, reader).drain();
    expect(texts(done)).toEqual(["at 20", "at 30"]);
    expect(done.task.heldRecords).toBe(1);
  });
});
