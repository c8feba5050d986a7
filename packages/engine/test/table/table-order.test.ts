import { broadcast, key, processor, table, timer, topic, windows } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { expect, test } from "vitest";
import { Random } from "../support/random.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const card = key("card", s.string);
const shop = key("shop", s.string);
const Payment = s.record("Payment", { shop: s.string });
const out = topic("out", { key: card, value: json(s.string) });

/** Everything that asks a table: records, some of them late, timers, windows at their end when their grace is over. */
const joined = processor({
  ...{ name: "joined", version: 1, key: card, outputs: { out } },
  inputs: { payments: topic("payments", { key: card, value: json(Payment), outOfOrder: "5ms" }) },
  tables: {
    shops: broadcast(table("shops", { key: shop, value: json(s.string) })),
    limits: table("limits", { key: card, value: json(s.string) }),
  },
  windows: { w: windows.tumbling({ size: "20ms", grace: "15ms", aggregate: {} }) },
  timers: { t: timer() },
}).handle({
  on: {
    payments(payment, ctx) {
      ctx.out.out.emit(`${ctx.timestamp}: ${ctx.tables.shops.get(payment.shop)} ${ctx.tables.limits.get()}`);
      ctx.windows.w.add({});
      ctx.timers.t.after("7ms");
    },
  },
  onTimer: { t: ({ due }, ctx) => ctx.out.out.emit(`timer ${due}: ${ctx.tables.shops.get("s1")} ${ctx.tables.limits.get()}`) },
  onWindow: { w: (_, ctx) => ctx.out.out.emit(`window ${ctx.window.end}: ${ctx.tables.shops.get("s1")} ${ctx.tables.limits.get()}`) },
});

const record = (of: string, value: unknown, timestampMs: number) => ({
  key: Buffer.from(of),
  value: value === null ? null : Buffer.from(JSON.stringify(value)),
  timestampMs,
});
const texts = (run: TaskRun): string[] => run.outputs.map(({ value }) => JSON.parse((value as Buffer).toString()) as string);

function randomLog(seed: number): MemoryReader {
  const random = new Random(seed);
  const reader = new MemoryReader();
  for (let t = 100; t < 500; t++) {
    if (random.chance(0.3)) reader.append("payments", record(`c${random.below(3)}`, { shop: `s${random.below(3)}` }, t - random.below(12)));
    for (const [topicName, of] of [["shops", "s"] as const, ["limits", "c"] as const])
      if (random.chance(0.1)) reader.append(topicName, record(`${of}${random.below(3)}`, random.chance(0.2) ? null : `of ${t}`, t));
  }
  for (let card = 0; card < 3; card++) reader.append("payments", record(`c${card}`, { shop: "s1" }, 1_000));
  return reader;
}

const broadcasts = new Map([["shops", 1]]);

test("a follower that reads a broadcast table ahead of what it may follow has the same outputs and the same state as who reads by time", async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const reader = randomLog(seed);
    const straight = await new TaskRun(joined, reader, { broadcasts }).drain();
    const follower = new TaskRun(joined, reader, { broadcasts, batchRecords: 8 });
    const random = new Random(seed);
    const inputs = follower.task.cursors.filter((cursor) => !cursor.broadcast);
    const end = reader.endOf("payments");
    for (let upTo = 0; upTo < end; ) {
      upTo = Math.min(end, upTo + 1 + random.below(20));
      // The publisher has read of its own table what came before its next payment.
      const nextMs = Math.max(...(reader.logs.get("payments") ?? []).slice(0, upTo + 1).map(({ timestampMs }) => timestampMs));
      const limits = (reader.logs.get("limits") ?? []).filter(({ timestampMs }) => upTo === end || timestampMs <= nextMs).length;
      for (const cursor of inputs) cursor.bound = cursor.name === "payments" ? upTo : limits;
      await follower.drain();
      if (random.chance(0.3)) {
        await follower.restart();
        for (const [i, cursor] of follower.task.cursors.filter(({ broadcast: all }) => !all).entries()) inputs[i] = cursor;
      }
    }
    expect(follower.task.position, `seed ${seed}`).toEqual(straight.task.position);
    expect(texts(follower), `seed ${seed}`).toEqual(texts(straight));
    expect(follower.task.meta.digest, `seed ${seed}`).toBe(straight.task.meta.digest);
  }
});

test("a window asks for the row as it was at its end, when its grace is over and the row has changed since", async () => {
  const reader = new MemoryReader();
  for (const [value, t] of [
    ["a", 100],
    ["b", 125],
    ["c", 127],
  ] as const)
    reader.append("shops", record("s1", value, t));
  reader.append("payments", record("c0", { shop: "s1" }, 110));
  reader.append("payments", record("c1", { shop: "s1" }, 139));
  reader.append("payments", record("c1", { shop: "s1" }, 140));
  const run = await new TaskRun(joined, reader, { broadcasts }).drain();
  expect(texts(run).filter((text) => text.startsWith("window"))).toEqual(["window 120: a undefined"]);
});
