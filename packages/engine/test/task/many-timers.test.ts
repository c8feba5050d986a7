import { key, processor, timer, topic } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { expect, test } from "vitest";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const user = key("user", s.string);
const Step = s.record("Step", { ids: s.long, inMs: s.long });
const steps = topic("steps", { key: user, value: json(Step) });
const fired = topic("fired", { key: user, value: s.string });

/** Each record sets as many timers of its key as it says, or moves one. */
const waiting = processor({
  ...{ name: "waiting", version: 1, key: user, inputs: { steps }, outputs: { fired } },
  timers: { later: timer({ id: s.string }) },
}).handle({
  on: {
    steps({ ids, inMs }, ctx) {
      for (let i = 0; i < ids; i++) ctx.timers.later.at(`${i}`, ctx.timestamp + inMs + i);
    },
  },
  onTimer: { later: ({ id }, ctx) => ctx.out.fired.emit(id) },
});

const farMs = 1e9;

/** A task in which `pending` timers wait, and the log to go on with. */
async function taskWith(pending: number): Promise<{ run: TaskRun; reader: MemoryReader; timeMs: number }> {
  const reader = new MemoryReader();
  const perKey = Math.min(pending, 1000);
  for (let k = 0; k < pending / perKey; k++)
    reader.append("steps", {
      key: Buffer.from(`key-${k}`),
      value: Buffer.from(JSON.stringify({ ids: perKey, inMs: farMs })),
      timestampMs: k,
    });
  const run = await new TaskRun(waiting, reader).drain();
  await run.task.flush();
  return { run, reader, timeMs: 10_000 };
}

test("a million timers in one task slow its records down by little, and fire in their order", async () => {
  const few = await taskWith(1_000);
  const many = await taskWith(1_000_000);
  expect([few.run.task.queue.size, many.run.task.queue.size]).toEqual([1_000, 1_000_000]);
  const records = 4_000;
  const round = async (one: typeof few): Promise<number> => {
    for (let i = 0; i < records; i++) {
      // Sets a timer that fires ten records later, and moves time.
      const value = Buffer.from(JSON.stringify({ ids: 1, inMs: 10 }));
      one.reader.append("steps", { key: Buffer.from(`busy-${i % 50}`), value, timestampMs: one.timeMs++ });
    }
    const before = one.run.outputs.length;
    const start = process.cpuUsage();
    while ((await one.run.task.step()) > 0);
    const { user: micros } = process.cpuUsage(start);
    one.run.commit();
    expect(one.run.outputs.length - before).toBeGreaterThan(records - 100);
    return micros;
  };
  const ratios: number[] = [];
  for (let n = 0; n < 5; n++) {
    const small = await round(few);
    ratios.push((await round(many)) / small);
  }
  const [, , median] = ratios.sort((a, b) => a - b) as [number, number, number];
  expect(median, ratios.join(" ")).toBeLessThan(2);

  // All of them, at their times: k and i add up to them.
  const before = many.run.outputs.length;
  many.reader.append("steps", {
    key: Buffer.from("last"),
    value: Buffer.from(JSON.stringify({ ids: 0, inMs: 0 })),
    timestampMs: 2 * farMs,
  });
  await many.run.drain();
  const late = many.run.outputs.slice(before).filter(({ key: of }) => of.toString().startsWith("key-"));
  expect(late).toHaveLength(1_000_000);
  let previous = 0;
  let wrong = 0;
  for (const { key: of, value } of late) {
    const due = Number(of.toString().slice(4)) + Number((value as Buffer).toString());
    if (due < previous) wrong++;
    previous = due;
  }
  expect(wrong).toBe(0);
  expect(many.run.task.queue.size).toBe(0);
}, 180_000);
