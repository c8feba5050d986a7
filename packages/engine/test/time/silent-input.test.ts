import { clockTopicOf } from "@reprise/engine";
import { key, processor, timer, topic, windows } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { expect, test } from "vitest";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const device = key("device", s.string);
const Reading = s.record("Reading", { n: s.long });
const out = topic("out", { key: device, value: json(s.string) });
const input = (name: string) => topic(name, { key: device, value: json(Reading) });

const watch = (clock: boolean) =>
  processor({
    ...{ name: "watch", version: 1, key: device, outputs: { out } },
    inputs: { readings: input("readings"), repairs: input("repairs") },
    ...(clock ? { clock: "10s" } : {}),
    windows: { minute: windows.tumbling({ size: "1m", aggregate: {} }) },
    timers: { silent: timer() },
  } as const).handle({
    on: {
      readings({ n }, ctx) {
        ctx.out.out.emit(`reading ${n}`);
        ctx.windows.minute.add({});
        ctx.timers.silent.after("30s");
      },
      repairs: () => undefined,
    },
    onTimer: { silent: ({ due }, ctx) => ctx.out.out.emit(`silent since ${due}`) },
    onWindow: { minute: ({ count }, ctx) => ctx.out.out.emit(`[${ctx.window.start}, ${ctx.window.end}) ${count}`) },
  });

const reading = (n: number, timestampMs: number) => ({
  key: Buffer.from("d"),
  value: Buffer.from(JSON.stringify({ n })),
  timestampMs,
});
const texts = (run: TaskRun): string[] => run.outputs.map(({ value }) => JSON.parse(String(value)) as string);

test("an input that never says anything holds the others up until what they have is 200 ms old, and no longer", async () => {
  const reader = new MemoryReader();
  let nowMs = 1_100;
  const run = new TaskRun(watch(false), reader, { hooks: { nowMs: () => nowMs, log() {}, count() {} } });
  reader.append("readings", reading(1, 1_000));
  reader.append("readings", reading(2, 1_150));
  await run.drain();
  expect(texts(run)).toEqual([]);
  nowMs = 1_200;
  await run.drain();
  expect(texts(run)).toEqual(["reading 1"]);
  nowMs = 1_350;
  await run.drain();
  expect(texts(run)).toEqual(["reading 1", "reading 2"]);
  expect(run.task.lateMerged).toBe(0);
  // It was only slow: what is older comes at once, and is counted.
  reader.append("repairs", reading(1, 1_010));
  await run.drain();
  expect(run.task.lateMerged).toBe(1);
  expect(run.task.position).toEqual({ readings: 2, repairs: 1 });
});

test("when all are silent time stands still; a clock among the inputs moves it", async () => {
  for (const clock of [false, true]) {
    const reader = new MemoryReader();
    reader.append("readings", reading(1, 1_000));
    const run = await new TaskRun(watch(clock), reader).drain();
    expect(texts(run)).toEqual(["reading 1"]);
    for (let t = 10_000; t <= 70_000; t += 10_000) reader.append(clockTopicOf("watch", 10_000), { key: null, value: null, timestampMs: t });
    await run.drain();
    expect(texts(run).slice(1)).toEqual(clock ? ["silent since 31000", "[0, 60000) 1"] : []);
  }
});
