import { key, processor, state, timer, topic } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import type { DueQueue } from "../../src/time/due-queue.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";
import { Random } from "../support/random.ts";

const user = key("user", s.string);
const Command = s.record("Command", { what: s.string, id: s.string, at: s.long });
const commands = topic("commands", { key: user, value: json(Command) });
const out = topic("out", { key: user, value: s.string });

const scheduler = (): unknown =>
  processor({
    name: "scheduler",
    version: 1,
    key: user,
    inputs: { commands },
    outputs: { out },
    timers: { one: timer(), many: timer({ id: s.string }) },
    state: { count: state.value(s.long, { initial: 0 }) },
  }).handle({
    on: {
      commands({ what, id, at }, ctx) {
        if (what === "one") ctx.timers.one.at(at);
        if (what === "many") ctx.timers.many.at(id, at);
        if (what === "stop") ctx.timers.one.cancel();
        if (what === "stop-many") ctx.timers.many.cancel(id);
        if (what === "fail") {
          ctx.timers.one.at(at);
          throw new Error("undone");
        }
      },
    },
    onTimer: {
      one({ due }, ctx) {
        ctx.out.out.emit(`one ${ctx.key} ${due}`);
        ctx.state.count.set(ctx.state.count.get() + 1);
        if (due % 5 === 0) ctx.timers.one.at(due + 3);
      },
      many({ id, due }, ctx) {
        ctx.out.out.emit(`many ${ctx.key} ${id} ${due}`);
        if (due % 7 === 0) ctx.timers.many.at(id, due + 2);
      },
    },
  });

interface Step {
  readonly key: string;
  readonly what: string;
  readonly id: string;
  readonly at: number;
  readonly time: number;
}

/** The same, the plain way. Slots are ordered by name: count, many, one. */
function naive(steps: readonly Step[]): string[] {
  const timers = new Map<string, { kind: string; key: string; id: string; due: number }>();
  const fired: string[] = [];
  let now = Number.NEGATIVE_INFINITY;
  const settle = (): void => {
    // What a handler asks for comes after everything else that is due at its time: rounds.
    for (;;) {
      const earliest = Math.min(...[...timers.values()].map((t) => t.due));
      if (!(earliest <= now)) return;
      const round = [...timers.values()].filter((t) => t.due === earliest);
      round.sort(
        (a, b) =>
          (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : 0) || (a.key < b.key ? -1 : a.key > b.key ? 1 : 0) || (a.id < b.id ? -1 : 1),
      );
      for (const t of round) {
        timers.delete(`${t.kind}\n${t.key}\n${t.id}`);
        fired.push(t.kind === "one" ? `one ${t.key} ${t.due}` : `many ${t.key} ${t.id} ${t.due}`);
        if (t.kind === "one" && t.due % 5 === 0) timers.set(`one\n${t.key}\n`, { ...t, due: t.due + 3 });
        if (t.kind === "many" && t.due % 7 === 0) timers.set(`many\n${t.key}\n${t.id}`, { ...t, due: t.due + 2 });
      }
    }
  };
  for (const step of steps) {
    now = Math.max(now, step.time);
    settle();
    if (step.what === "one") timers.set(`one\n${step.key}\n`, { kind: "one", key: step.key, id: "", due: step.at });
    if (step.what === "many") timers.set(`many\n${step.key}\n${step.id}`, { kind: "many", key: step.key, id: step.id, due: step.at });
    if (step.what === "stop") timers.delete(`one\n${step.key}\n`);
    if (step.what === "stop-many") timers.delete(`many\n${step.key}\n${step.id}`);
    settle();
  }
  return fired;
}

describe("timers", () => {
  test.each(Array.from({ length: 30 }, (_, i) => i))(
    "fire as in a plain model: moved, cancelled, restored, with any bytes in key and id (seed %i)",
    async (seed) => {
      const random = new Random(seed);
      const names = ["a", "b", "\0", "a\0", "a\u0001", "\0\0"];
      let time = 100;
      const steps = Array.from({ length: 300 }, (): Step => {
        time += random.pick([0, 0, 1, 1, 4]);
        return {
          key: random.pick(names),
          what: random.pick(["one", "one", "many", "many", "many", "stop", "stop-many", "fail", "nothing"]),
          id: random.pick(names),
          at: time + random.below(20) - 3,
          time,
        };
      });
      const reader = new MemoryReader();
      for (const step of steps)
        reader.append("commands", {
          key: Buffer.from(step.key),
          value: Buffer.from(JSON.stringify({ what: step.what, id: step.id, at: step.at })),
          timestampMs: step.time,
        });
      const spec = scheduler();
      const run = new TaskRun(spec, reader, { batchRecords: random.pick([1, 5, 50]), maxCachedKeys: random.pick([0, 2, 100]) });
      (run.processor as { onHandlerError: string }).onHandlerError = "skip";
      for (let end = 0; end < 300; end += 1 + random.below(80)) {
        reader.ends.set("commands", end);
        await run.drain();
        await run.restart();
      }
      reader.ends.delete("commands");
      await run.drain();
      expect(run.outputs.map((o) => (o.value as Buffer).toString())).toEqual(naive(steps));
    },
  );

  test("a timer that every record moves further away takes no memory for each move", async () => {
    const reader = new MemoryReader();
    for (let i = 0; i < 5000; i++)
      reader.append("commands", {
        key: Buffer.from(`k${i % 10}`),
        value: Buffer.from(JSON.stringify({ what: i % 2 === 0 ? "one" : "many", id: "x", at: i + 10_000 })),
        timestampMs: i,
      });
    const run = new TaskRun(scheduler(), reader);
    await run.drain();
    const queue = (run.task as unknown as { queue: DueQueue }).queue;
    expect(queue.size).toBeLessThan(100);
    reader.append("commands", {
      key: Buffer.from("end"),
      value: Buffer.from(JSON.stringify({ what: "none", id: "", at: 0 })),
      timestampMs: 100_000,
    });
    await run.drain();
    // Each fires where it was moved to last, and once more where its handler set it.
    expect(run.outputs.length).toBeGreaterThanOrEqual(10);
    expect(run.outputs.map((o) => (o.value as Buffer).toString())).toContain("one k8 14998");
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, "soon", undefined, null])(
    "a time that is none, %s, fails at its record, and sets nothing",
    async (time) => {
      const reader = new MemoryReader();
      const bad = processor({ name: "bad", version: 1, key: user, inputs: { commands }, timers: { one: timer() } }).handle({
        on: {
          commands({ at }, ctx) {
            ctx.timers.one.at(at);
            if (at === 2) ctx.timers.one.at(time as number);
          },
        },
        onTimer: { one: () => undefined },
      });
      for (const at of [1_000, 2])
        reader.append("commands", {
          key: Buffer.from("k"),
          value: Buffer.from(JSON.stringify({ what: "", id: "", at })),
          timestampMs: 1,
        });
      const run = await new TaskRun(bad, reader).drain();
      expect(run.task.failure).toMatchObject({ code: "INVALID_ARGUMENT", details: { offset: 1 } });
      expect(run.task.failure?.message).toContain(`timer one: a time in epoch ms was expected, got ${String(time)}`);
      expect(run.task.position).toEqual({ commands: 1 });
      await run.restart();
      expect(run.task.queue.next).toBe(1_000);
    },
  );

  test("one in the past fires once, after the handler that set it, and says when it was due", async () => {
    const reader = new MemoryReader();
    const late = processor({
      name: "late",
      version: 1,
      key: user,
      inputs: { commands },
      outputs: { out },
      timers: { one: timer() },
    }).handle({
      on: {
        commands({ at }, ctx) {
          ctx.timers.one.at(at);
          ctx.out.out.emit(`set at ${ctx.timestamp}`);
        },
      },
      onTimer: { one: ({ due }, ctx) => ctx.out.out.emit(`due ${due}, at ${ctx.timestamp}`) },
    });
    for (const [at, timestampMs] of [
      [-5, 100],
      [150, 101],
      [99, 102],
      [1, 150],
    ] as const)
      reader.append("commands", { key: Buffer.from("k"), value: Buffer.from(JSON.stringify({ what: "", id: "", at })), timestampMs });
    const run = await new TaskRun(late, reader).drain();
    // The third replaces the second, which never fires.
    expect(run.outputs.map((o) => String(o.value))).toEqual([
      ...["set at 100", "due -5, at -5", "set at 101", "set at 102", "due 99, at 99", "set at 150", "due 1, at 1"],
    ]);
  });
});
