import { key, processor, timer, topic, windows } from "@reprise/processor";
import { s } from "@reprise/schema";
import { expect, test } from "vitest";
import { Random } from "../support/random.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const user = key("user", s.string);
const input = topic("in", { key: user, value: s.string });
const out = topic("out", { key: user, value: s.string });
type Options = { readonly emit: string; readonly grace?: string; readonly keep?: string; readonly throttle?: string };

const hopping = (o: Options): unknown => windows.hopping({ size: "40ms", every: "10ms", aggregate: { n: "sum" }, ...o } as never);
const rolling = (o: Options): unknown => windows.rolling({ size: "40ms", step: "10ms", aggregate: { n: "sum" }, ...o } as never);

/** A timer and the window's own handler add to it, also while time jumps over what they add to. */
const jumping = (w: unknown): unknown =>
  processor({
    name: "p",
    version: 1,
    key: user,
    inputs: { input },
    outputs: { out },
    timers: { t: timer() },
    windows: { w },
  } as never).handle({
    on: {
      input(v: string, ctx: any) {
        const n = Number(v);
        if (n > 0) ctx.windows.w.add({ n });
        if (n % 2 === 1) ctx.timers.t.at(ctx.timestamp + n);
      },
    },
    onTimer: {
      t(_: unknown, ctx: any) {
        ctx.windows.w.add({ n: 100 });
      },
    },
    onWindow: {
      w({ count, n }: any, ctx: any) {
        const { start, revision, previous, final } = ctx.window;
        ctx.out.out.emit(`${start} ${count} ${n} ${revision} ${previous?.n} ${final}`);
        if (n % 7 === 1) ctx.windows.w.add({ n: 1000 }, start + 25);
      },
    },
  } as never);

const texts = (run: TaskRun): string[] => run.outputs.map(({ value }) => String(value));

test.each(["final", "end"])("what a timer adds is in no rolling window that it is late for (%s)", async (emit) => {
  const results: string[][] = [];
  for (const w of [hopping({ emit }), rolling({ emit }), rolling({ emit, keep: "1s" })]) {
    const reader = new MemoryReader();
    for (const [v, timestampMs] of [
      ["3", 5],
      ["0", 25],
      ["0", 1000],
    ] as const)
      reader.append("in", { key: Buffer.from("k"), value: Buffer.from(v), timestampMs });
    results.push(texts(await new TaskRun(jumping(w), reader).drain()));
  }
  expect(results[0]?.length).toBeGreaterThan(3);
  expect(results[1]).toEqual(results[0]);
  expect(results[2]).toEqual(results[0]);
});

const shapes: Options[] = ["final", "end"].flatMap((emit) =>
  [
    {},
    { grace: "15ms" },
    { keep: "30ms" },
    { grace: "15ms", keep: "30ms" },
    ...(emit === "end" ? [{ throttle: "12ms" }, { throttle: "12ms", keep: "30ms" }] : []),
  ].map((more) => ({
    emit,
    ...more,
  })),
);

test.each(shapes.map((shape) => [JSON.stringify(shape), shape] as const))(
  "%s: as hopping windows, wherever it restarts",
  async (_name, shape) => {
    for (let seed = 0; seed < 40; seed++) {
      const records = (random: Random): MemoryReader => {
        const reader = new MemoryReader();
        for (let i = 0, at = -50; i < 60; i++) {
          at += random.pick([0, 1, 3, 8, 45, 200]);
          const value = Buffer.from(String(random.below(12)));
          reader.append("in", { key: Buffer.from(random.pick(["a", "b"])), value, timestampMs: at - random.pick([0, 0, 5, 30]) });
        }
        reader.append("in", { key: Buffer.from("a"), value: Buffer.from("0"), timestampMs: 20_000 });
        return reader;
      };
      const like = await new TaskRun(jumping(hopping(shape)), records(new Random(seed))).drain();
      const plain = await new TaskRun(jumping(rolling(shape)), records(new Random(seed))).drain();
      expect(plain.task.failure).toBeUndefined();
      expect([seed, texts(plain)]).toEqual([seed, texts(like)]);
      const again = new TaskRun(jumping(rolling(shape)), records(new Random(seed)), { batchRecords: 1 });
      const random = new Random(seed + 1);
      while ((await again.task.step()) > 0) {
        again.commit();
        if (random.chance(0.3)) await again.restart();
      }
      expect([seed, texts(again)]).toEqual([seed, texts(plain)]);
      expect(again.task.meta.digest).toBe(plain.task.meta.digest);
    }
  },
);
