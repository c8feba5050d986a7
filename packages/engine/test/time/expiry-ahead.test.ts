import { key, processor, rekey, state, topic } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { expect, test } from "vitest";
import { originOf } from "../../src/route/origin-stamp.ts";
import { compiled, MemoryReader, TaskRun } from "../support/task-run.ts";

const from = key("from", s.string);
const to = key("to", s.string);
const Item = s.record("Item", { to: s.string, at: s.long });

const expiring = processor({
  name: "expiring",
  version: 1,
  key: to,
  inputs: { items: rekey(topic("items", { key: from, value: json(Item), time: ({ at }) => at }), { key: to, by: (item) => item.to }) },
  outputs: { out: topic("out", { key: to, value: s.string }) },
  state: {
    one: state.value(s.long, { ttl: "100ms" }),
    many: state.map(s.string, s.long, { ttl: "100ms" }),
    items: state.list(s.long, { ttl: "100ms" }),
  },
}).handle({
  on: {
    items({ at }, ctx) {
      const { one, many, items } = ctx.state;
      ctx.out.out.emit(`${at}: ${one.get() ?? "none"} [${[...many.entries()].join(" ")}] [${[...items].join(" ")}] ${items.length}`);
      one.set(at);
      many.set("a", at);
      items.push(at);
    },
  },
});

/** A task behind two origins; what is sent is there when its `step` has returned. */
class Run {
  readonly run: TaskRun;
  private readonly reader = new MemoryReader();
  private readonly topic: string;
  private readonly offsets = [0, 0];

  constructor() {
    this.topic = compiled(expiring).inputs[0]!.topic;
    this.run = new TaskRun(expiring, this.reader, { origins: new Map([[this.topic, 2]]) });
  }

  async send(origin: 0 | 1, at: number, key = "a"): Promise<void> {
    const headers = [originOf(origin, this.offsets[origin]!++, 0, at, at)];
    const value = Buffer.from(JSON.stringify({ to: key, at }));
    this.reader.append(this.topic, { key: Buffer.from(key), value, timestampMs: at, headers });
    await this.run.drain();
  }

  get digest(): string {
    return this.run.task.meta.digest;
  }

  get lastOutput(): string {
    return String(this.run.outputs.at(-1)?.value);
  }
}

/** 1000 comes while stream time is 400; then 500 does, at 500. */
async function aheadAndBack(): Promise<Run> {
  const run = new Run();
  await run.send(0, 400, "b");
  await run.send(1, 400, "b");
  await run.send(0, 1000);
  await run.send(1, 500);
  return run;
}

test("what a record ahead of stream time wrote, and an older one wrote again, goes by the older one's time, restart or not", async () => {
  const [plain, restarted] = [await aheadAndBack(), await aheadAndBack()];
  await restarted.run.restart();
  for (const at of [590, 610, 700, 1050, 1099]) {
    await plain.send(1, at, "b");
    await restarted.send(1, at, "b");
    expect([at, restarted.digest]).toEqual([at, plain.digest]);
  }
});

test("items of a list go in their order: what was pushed behind one of a record ahead of stream time lives as long as that", async () => {
  for (const [until, seen] of [
    [600, "600: 501 [a,501] [501 1000 501] 3"],
    // The first is over, and not removed yet.
    [601, "601: none [] [1000 501] 2"],
    [1099, "1099: none [] [1000 501] 2"],
    [1100, "1100: none [] [] 0"],
  ] as const) {
    const run = new Run();
    await run.send(0, 400, "b");
    await run.send(1, 400, "b");
    await run.send(1, 501);
    await run.send(0, 1000);
    await run.send(1, 501);
    await run.send(0, 3000, "b");
    await run.send(1, until);
    expect(run.lastOutput).toBe(seen);
  }
});
