import { clockTopicOf } from "@reprise/engine";
import { key, processor, timer, topic, windows } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { expect, test } from "vitest";
import { Random } from "../support/random.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const device = key("device", s.string);
const Reading = s.record("Reading", { celsius: s.long });
const readings = topic("readings", { key: device, value: json(Reading), outOfOrder: "1s" });
const out = topic("out", { key: device, value: json(s.string) });
const ticks = clockTopicOf("watch", 10_000);

const watch = processor({
  ...{ name: "watch", version: 1, key: device, inputs: { readings }, outputs: { out }, clock: "10s" },
  windows: { minute: windows.tumbling({ size: "1m", aggregate: { celsius: "max" } }) },
  timers: { silent: timer() },
}).handle({
  on: {
    readings({ celsius }, ctx) {
      ctx.windows.minute.add({ celsius });
      ctx.timers.silent.after("30s");
    },
  },
  onTimer: { silent: ({ due }, ctx) => ctx.out.out.emit(`silent since ${due}`) },
  onWindow: { minute: (result, ctx) => ctx.out.out.emit(`[${ctx.window.start}, ${ctx.window.end}) max ${result.celsius}`) },
});

const reading = (celsius: number, timestampMs: number, of = "f1") => ({
  key: Buffer.from(of),
  value: Buffer.from(JSON.stringify({ celsius })),
  timestampMs,
});
/** As the controller writes it: no key, no value. */
const tick = (timestampMs: number) => ({ key: null, value: null, timestampMs });
const texts = (run: TaskRun): string[] => run.outputs.map(({ value }) => JSON.parse((value as Buffer).toString()) as string);

test("its records move time as any other input's do: the last window closes, and silence is noticed", async () => {
  const reader = new MemoryReader();
  reader.append("readings", reading(5, 1_000));
  const run = await new TaskRun(watch, reader).drain();
  expect(texts(run)).toEqual([]);
  for (let t = 10_000; t <= 70_000; t += 10_000) reader.append(ticks, tick(t));
  await run.drain();
  expect(texts(run)).toEqual(["silent since 31000", "[0, 60000) max 5"]);
  expect(run.task.position).toEqual({ readings: 1, [ticks]: 7 });
  expect(run.task.counters.deadLetters + run.task.counters.skipped).toBe(0);
});

test("what was live is what a replay gives, at the same positions, wherever it stops in between", async () => {
  const random = new Random(5);
  const live = new MemoryReader();
  const runs = new TaskRun(watch, live);
  for (let t = 0; t < 600_000; t += 1_000) {
    if (random.next() < 0.05)
      live.append(
        "readings",
        reading(Math.floor(random.next() * 40), t - Math.floor(random.next() * 900), `f${Math.floor(random.next() * 5)}`),
      );
    if (t % 10_000 === 0) live.append(ticks, tick(t));
    await runs.drain();
  }
  expect(texts(runs).filter((text) => text.startsWith("silent")).length).toBeGreaterThan(5);
  for (const batchRecords of [1, 7, 1000]) {
    const replayed = new TaskRun(watch, live, { batchRecords });
    while ((await replayed.task.step()) > 0) {
      replayed.commit();
      if (batchRecords === 7) await replayed.restart();
    }
    expect(texts(replayed)).toEqual(texts(runs));
    expect(replayed.task.meta.digest).toBe(runs.task.meta.digest);
    expect(replayed.task.meta.position).toEqual(runs.task.meta.position);
  }
});
