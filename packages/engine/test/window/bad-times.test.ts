import { key, processor, topic, windows } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const user = key("user", s.string);
const Value = s.record("Value", { at: s.double, add: s.double.optional() });
const out = topic("out", { key: user, value: s.string });
const values = topic("values", { key: user, value: json(Value), time: (v) => v.at });

/** Counts into a window of some kind, at the record's time or at `add`, and says each result. */
function counting(window: unknown, input: typeof values = values): unknown {
  return processor({
    ...{ name: "counting", version: 1, key: user, inputs: { values: input }, outputs: { out } },
    windows: { w: window as ReturnType<typeof windows.tumbling> },
    onError: { handler: "dead-letter" },
  } as never).handle({
    on: { values: ({ add }: { add: number | null }, ctx: any) => ctx.windows.w.add({}, add ?? undefined) },
    onWindow: { w: ({ count }: { count: number }, ctx: any) => ctx.out.out.emit(`[${ctx.window.start}, ${ctx.window.end}) ${count}`) },
  } as never);
}

const given = (at: number, add?: number) => ({
  key: Buffer.from("k"),
  value: Buffer.from(JSON.stringify(add === undefined ? { at } : { at, add })),
  timestampMs: 0,
});

async function run(of: unknown, records: readonly ReturnType<typeof given>[]): Promise<TaskRun> {
  const reader = new MemoryReader();
  for (const record of records) reader.append("values", record);
  return new TaskRun(of, reader, { batchRecords: 2 }).drain();
}

const texts = (done: TaskRun): string[] => done.outputs.filter(({ output }) => output === 0).map(({ value }) => String(value));
const reasons = (done: TaskRun): unknown[] =>
  done.outputs.filter(({ output }) => output === 1).map(({ headers }) => headers?.find((h) => h.key === "reprise-reason")?.value);

const hour = 3_600_000;
const lastMs = 8.64e15;

describe("windows of times before 1970", () => {
  test.each([
    ["tumbling", windows.tumbling({ size: "1h", aggregate: {} }), [`[${-hour}, 0) 2`, `[0, ${hour}) 1`]],
    [
      "hopping",
      windows.hopping({ size: "2h", every: "1h", aggregate: {} }),
      [`[${-2 * hour}, 0) 2`, `[${-hour}, ${hour}) 3`, `[0, ${2 * hour}) 1`],
    ],
    [
      "rolling",
      windows.rolling({ size: "2h", step: "1h", aggregate: {} }),
      [`[${-2 * hour}, 0) 2`, `[${-hour}, ${hour}) 3`, `[0, ${2 * hour}) 1`],
    ],
    ["session", windows.session({ gap: "1m", aggregate: {} }), ["[-1000, 60000) 3"]],
    ["calendar", windows.calendar({ per: "day", zone: "UTC", aggregate: {} }), [`[${-24 * hour}, 0) 2`, `[0, ${24 * hour}) 1`]],
  ])("%s: bounds are as they are after it, and what lies on a bound is in the later one", async (_kind, window, expected) => {
    const done = await run(counting(window), [given(-1000), given(-1), given(0), given(48 * hour + 1)]);
    expect(texts(done)).toEqual(expected);
  });
});

describe("windows at the ends of time", () => {
  test.each([
    ["tumbling", windows.tumbling({ size: "1h", aggregate: {} })],
    ["hopping", windows.hopping({ size: "2h", every: "1h", aggregate: {} })],
    ["rolling", windows.rolling({ size: "2h", step: "1h", aggregate: {} })],
    ["session", windows.session({ gap: "1m", aggregate: {} })],
    ["calendar", windows.calendar({ per: "month", zone: "America/New_York", aggregate: {} })],
    ["global", windows.global({ emit: "change", aggregate: {} })],
  ])("%s: a record at either end does not stop the task, and what lies between them counts", async (_kind, window) => {
    const done = await run(counting(window), [given(-lastMs), given(0), given(lastMs), given(lastMs)]);
    expect(done.task.failure).toBeUndefined();
    expect(done.task.position).toEqual({ values: 4 });
    expect(done.task.streamTimeMs).toBe(lastMs);
    expect(texts(done).length).toBeGreaterThan(0);
    await done.restart();
    expect(done.task.failure).toBeUndefined();
  });
});

test.each([Number.POSITIVE_INFINITY, 1e300, -8.64e15 - 2])(
  "a contribution at %s fails at its record, and nothing of it is added",
  async (at) => {
    const window = windows.tumbling({ size: "1h", aggregate: {} });
    const adding = processor({
      ...{ name: "adding", version: 1, key: user, inputs: { values }, outputs: { out }, windows: { w: window } },
      onError: { handler: "dead-letter" },
    }).handle({
      on: {
        values(v, ctx) {
          ctx.windows.w.add({});
          if (v.at === 2) ctx.windows.w.add({}, at);
        },
      },
      onWindow: { w: ({ count }, ctx) => ctx.out.out.emit(`[${ctx.window.start}, ${ctx.window.end}) ${count}`) },
    });
    const done = await run(adding, [given(1), given(2), given(hour)]);
    expect(texts(done)).toEqual([`[0, ${hour}) 1`]);
    expect(reasons(done)).toEqual([`window w: a time in epoch ms within ±8640000000000000 was expected, got ${at}`]);
  },
);

describe("a session that never closes", () => {
  const contributions = Array.from({ length: 100 }, (_, i) => given(i * 900));

  test("with max becomes several: none is longer than max from its first to its last contribution", async () => {
    const done = await run(counting(windows.session({ gap: "1s", max: "9s", aggregate: {} })), contributions);
    expect(texts(done)).toEqual(Array.from({ length: 8 }, (_, i) => `[${i * 9_900}, ${i * 9_900 + 10_000}) 11`));
  });

  test("without max is one row that grows; `final` and `end` come when it ends, `change` with each contribution", async () => {
    expect(texts(await run(counting(windows.session({ gap: "1s", aggregate: {} })), contributions))).toEqual([]);
    expect(texts(await run(counting(windows.session({ gap: "1s", emit: "end", aggregate: {} })), contributions))).toEqual([]);
    const changes = texts(await run(counting(windows.session({ gap: "1s", emit: "change", aggregate: {} })), contributions));
    expect(changes).toEqual(contributions.map((_, i) => `[0, ${i * 900 + 1_000}) ${i + 1}`));
    const closed = await run(counting(windows.session({ gap: "1s", aggregate: {} })), [...contributions, given(200_000)]);
    expect(texts(closed)).toEqual(["[0, 90100) 100"]);
  });
});
