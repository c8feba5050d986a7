import { fold, key, processor, topic, windows } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const user = key("user", s.string);
const Event = s.record("Event", { n: s.long });
const events = topic("events", { key: user, value: json(Event) });
const out = topic("out", { key: user, value: s.string });

/** Can't put 666 together with anything. */
const fragile = fold(s.long, {
  initial: 0,
  add: (total: number, n: number) => total + n,
  merge(a, b) {
    if (a === 666 || b === 666) throw new Error("666 can't be merged");
    return a + b;
  },
});

const made = (window: unknown, handler: "fail" | "skip" | "dead-letter") =>
  processor({
    ...{ name: "fragile", version: 1, key: user, inputs: { events }, outputs: { out } },
    windows: { w: window },
    onError: { handler },
  } as never).handle({
    on: { events: ({ n }: { n: number }, ctx: any) => ctx.windows.w.add({ f: n }) },
    onWindow: { w: ({ count, f }: any, ctx: any) => ctx.out.out.emit(`[${ctx.window.start}, ${ctx.window.end}) ${count} ${f}`) },
  } as never);

const given = (n: number, timestampMs: number, of = "k") => ({
  key: Buffer.from(of),
  value: Buffer.from(JSON.stringify({ n })),
  timestampMs,
});
const texts = (run: TaskRun): string[] => run.outputs.filter(({ output }) => output === 0).map(({ value }) => String(value));

describe("a fold whose merge throws", () => {
  const kinds = [
    [
      "session",
      windows.session({ gap: "10ms", grace: "1s", aggregate: { f: fragile } }),
      [given(666, 100), given(1, 115), given(2, 108), given(0, 5_000)],
    ],
    [
      "rolling",
      windows.rolling({ size: "20ms", step: "10ms", aggregate: { f: fragile } }),
      [given(666, 100), given(1, 115), given(0, 5_000)],
    ],
    [
      "kept rolling",
      windows.rolling({ size: "20ms", step: "10ms", emit: "end", aggregate: { f: fragile } }),
      [given(666, 100), given(1, 115), given(0, 5_000)],
    ],
  ] as const;

  test.each(kinds)("%s: stops the task in front of the record, by name", async (_kind, window, records) => {
    const reader = new MemoryReader();
    for (const record of records) reader.append("events", record);
    const run = await new TaskRun(made(window, "fail"), reader).drain();
    expect(run.task.failure).toMatchObject({ code: "HANDLER_FAILED" });
    expect(run.task.failure?.message).toMatch(/^fragile v1: record events-0@\d+ failed in on(Window\.w|\.events): 666 can't be merged$/);
  });

  test.each(kinds)("%s: with another policy the task goes on", async (_kind, window, records) => {
    for (const policy of ["skip", "dead-letter"] as const) {
      const reader = new MemoryReader();
      for (const record of [...records, given(7, 6_000, "other"), given(8, 9_000, "other")]) reader.append("events", record);
      const run = new TaskRun(made(window, policy), reader, { batchRecords: 1 });
      while ((await run.task.step()) > 0) {
        run.commit();
        await run.restart();
      }
      expect(run.task.failure).toBeUndefined();
      expect(run.task.position).toEqual({ events: records.length + 2 });
      // Its rows go all the same: [slot + 1][length][key].
      await run.task.flush();
      expect([...run.store.rows.values()].filter(({ key }) => key[1] === 1 && key[2] === "k".charCodeAt(0))).toEqual([]);
      expect(texts(run).filter((text) => text.endsWith(" 7")).length).toBeGreaterThan(0);
    }
  });
});

test("a fold that throws in one of several hopping windows adds to none of them, also when the handler goes on", async () => {
  const atMost10 = fold(s.long, {
    initial: 0,
    add(total: number, n: number) {
      if (total + n > 10) throw new Error("too much");
      return total + n;
    },
  });
  for (const emit of ["final", "change"] as const) {
    const hopping = processor({
      ...{ name: "hopping", version: 1, key: user, inputs: { events }, outputs: { out } },
      windows: { w: windows.hopping({ size: "20ms", every: "10ms", grace: "1s", emit, aggregate: { f: atMost10 } }) },
    } as never).handle({
      on: {
        events({ n }: { n: number }, ctx: any) {
          try {
            ctx.windows.w.add({ f: n });
          } catch (error) {
            ctx.out.out.emit((error as Error).message);
          }
        },
      },
      onWindow: { w: ({ count, f }: any, ctx: any) => ctx.out.out.emit(`${ctx.window.start} ${count} ${f}`) },
    } as never);
    const reader = new MemoryReader();
    // 115 lies in [100, 120), which has nothing, and in [110, 130), which is full.
    for (const record of [given(8, 125), given(8, 115), given(0, 5_000)]) reader.append("events", record);
    const run = await new TaskRun(hopping, reader).drain();
    const emitted = ["110 1 8", "120 1 8"];
    const closed = emit === "final" ? ["too much", ...emitted] : [...emitted, "too much", "4990 1 0", "5000 1 0"];
    expect(texts(run)).toEqual(closed);
  }
});
