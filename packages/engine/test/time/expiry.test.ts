import { key, processor, state, timer, topic } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { committedEntries, committedEntry, committedItems, committedValue } from "../../src/view/task-views.ts";
import type { ListSlot, MapSlot, ValueSlot } from "../../src/definition/compiled-slot.ts";
import type { DueQueue } from "../../src/time/due-queue.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";
import { Random } from "../support/random.ts";

const ttlMs = 100;
const max = 4;
const disorderMs = 7;
const user = key("user", s.string);
const Command = s.record("Command", { what: s.string, id: s.string, n: s.long });
const commands = topic("commands", { key: user, value: json(Command), outOfOrder: `${disorderMs}ms` });
const out = topic("out", { key: user, value: s.string });

const seen = (ctx: {
  state: {
    one: { get(): number | undefined };
    many: { entries(): Iterable<readonly [string, number]> };
    items: Iterable<number> & { readonly length: number };
    recent: Iterable<number>;
    kept: Iterable<number>;
  };
}): string =>
  JSON.stringify([
    ctx.state.one.get() ?? null,
    [...ctx.state.many.entries()],
    [...ctx.state.items],
    ctx.state.items.length,
    [...ctx.state.recent],
    [...ctx.state.kept],
  ]);

const expiring = () =>
  processor({
    name: "expiring",
    version: 1,
    key: user,
    inputs: { commands },
    outputs: { out },
    timers: { look: timer() },
    state: {
      one: state.value(s.long, { ttl: `${ttlMs}ms` }),
      many: state.map(s.string, s.long, { ttl: `${ttlMs}ms` }),
      items: state.list(s.long, { ttl: `${ttlMs}ms` }),
      recent: state.list(s.long, { ttl: `${ttlMs}ms`, max }),
      kept: state.list(s.long, { max }),
    },
    onError: { handler: "skip" },
  }).handle({
    on: {
      commands({ what, id, n }, ctx) {
        ctx.out.out.emit(seen(ctx));
        if (what === "one") ctx.state.one.update((before) => (before ?? 0) + n);
        if (what === "many") ctx.state.many.set(id, n);
        if (what === "push") {
          ctx.state.items.push(n);
          ctx.state.recent.push(n);
          ctx.state.kept.push(n);
        }
        if (what === "delete") {
          ctx.state.one.delete();
          ctx.state.many.delete(id);
        }
        if (what === "clear") {
          ctx.state.items.clear();
          ctx.state.kept.clear();
        }
        if (what === "look") ctx.timers.look.at(n);
        if (what === "fail") {
          ctx.state.one.set(-1);
          ctx.state.many.set(id, -1);
          ctx.state.items.push(-1);
          ctx.state.recent.clear();
          throw new Error("undone");
        }
        ctx.out.out.emit(seen(ctx));
      },
    },
    onTimer: {
      look({ due }, ctx) {
        ctx.out.out.emit(`${due} ${seen(ctx)}`);
        if (due % 3 === 0) {
          ctx.state.one.set(due);
          ctx.state.items.push(due);
        }
      },
    },
  });

interface Step {
  readonly key: string;
  readonly what: string;
  readonly id: string;
  readonly n: number;
  readonly time: number;
}

interface Written {
  readonly at: number;
  readonly value: number;
}

class KeyModel {
  one: Written | undefined;
  many = new Map<string, Written>();
  items: Written[] = [];
  recent: Written[] = [];
  kept: number[] = [];

  at(now: number): unknown[] {
    const alive = ({ at }: Written): boolean => at + ttlMs > now;
    const ids = [...this.many].filter(([, w]) => alive(w)).sort(([a], [b]) => (a < b ? -1 : 1));
    const items = this.items.filter(alive).map((w) => w.value);
    return [
      this.one !== undefined && alive(this.one) ? this.one.value : null,
      ids.map(([id, w]) => [id, w.value]),
      items,
      items.length,
      this.recent.filter(alive).map((w) => w.value),
      this.kept,
    ];
  }
}

/** The same, by keeping everything for ever and asking what is young enough. */
function naive(steps: readonly Step[]): { fired: string[]; keys: Map<string, KeyModel>; now: number } {
  const keys = new Map<string, KeyModel>();
  const timers = new Map<string, number>();
  const fired: string[] = [];
  let now = Number.NEGATIVE_INFINITY;
  const of = (id: string): KeyModel => {
    const model = keys.get(id) ?? new KeyModel();
    keys.set(id, model);
    return model;
  };
  const settle = (from: number): void => {
    let at = from;
    for (;;) {
      const due = [...timers].filter(([, t]) => t <= now - disorderMs).sort(([a, s1], [b, s2]) => s1 - s2 || (a < b ? -1 : 1))[0];
      if (due === undefined) return;
      const [id, time] = due;
      timers.delete(id);
      at = Math.max(at, Math.min(now, time + disorderMs));
      const model = of(id);
      fired.push(`${time} ${JSON.stringify(model.at(at))}`);
      if (time % 3 !== 0) continue;
      model.one = { at, value: time };
      model.items.push({ at, value: time });
    }
  };
  for (const { key: id, what, id: sub, n, time } of steps) {
    const before = now;
    now = Math.max(now, time);
    settle(before);
    const model = of(id);
    const show = (): void => void fired.push(JSON.stringify(model.at(now)));
    if (what === "fail") continue;
    show();
    if (what === "one") model.one = { at: now, value: n + ((model.at(now)[0] as number | null) ?? 0) };
    if (what === "many") model.many.set(sub, { at: now, value: n });
    if (what === "push") {
      model.items.push({ at: now, value: n });
      model.recent = [...model.recent, { at: now, value: n }].slice(-max);
      model.kept = [...model.kept, n].slice(-max);
    }
    if (what === "delete") {
      model.one = undefined;
      model.many.delete(sub);
    }
    if (what === "clear") {
      model.items = [];
      model.kept = [];
    }
    if (what === "look") timers.set(id, n);
    show();
    settle(now);
  }
  return { fired, keys, now };
}

const randomSteps = (random: Random, count: number, names: readonly string[]): Step[] => {
  let time = 1000;
  return Array.from({ length: count }, () => {
    time += random.pick([0, 0, 1, 3, 10, 10, 60]) + (random.chance(0.02) ? 250 : 0);
    return {
      key: random.pick(names),
      what: random.pick(["one", "one", "many", "many", "push", "push", "push", "delete", "clear", "look", "look", "fail", "nothing"]),
      id: random.pick(["", "a", "b", "\0", "a\0"]),
      n: random.chance(0.8) ? time + random.below(400) - 20 : random.below(1000),
      time: time - random.below(12),
    };
  });
};

const append = (reader: MemoryReader, steps: readonly Step[]): void => {
  for (const step of steps)
    reader.append("commands", {
      key: Buffer.from(step.key),
      value: Buffer.from(JSON.stringify({ what: step.what, id: step.id, n: step.n })),
      timestampMs: step.time,
    });
};

const texts = (run: TaskRun): string[] => run.outputs.map((o) => (o.value as Buffer).toString());
const queueOf = (run: TaskRun): DueQueue => (run.task as unknown as { expiring: DueQueue }).expiring;

describe("state with a time to live", () => {
  test.each(Array.from({ length: 40 }, (_, i) => i))("is what is young enough of everything ever written (seed %i)", async (seed) => {
    const random = new Random(seed);
    const names = ["a", "b", "\0", "a\0"];
    const steps = randomSteps(random, 300, names);
    const reader = new MemoryReader();
    append(reader, steps);
    const plain = await new TaskRun(expiring(), reader).drain();
    const expected = naive(steps);
    expect(texts(plain)).toEqual(expected.fired);

    const run = new TaskRun(expiring(), reader, { batchRecords: random.pick([1, 5, 50]), maxCachedKeys: random.pick([0, 2, 100]) });
    reader.unassign({ topic: "commands", partition: 0 });
    reader.assign({ topic: "commands", partition: 0 }, 0);
    for (let end = 0; end < steps.length; end += 1 + random.below(60)) {
      reader.ends.set("commands", end);
      await run.drain(random.pick([1, 3]));
      if (random.chance(0.7)) await run.restart();
    }
    reader.ends.delete("commands");
    await run.drain();
    expect(texts(run)).toEqual(expected.fired);
    expect(run.task.meta.digest).toBe(plain.task.meta.digest);

    // What queries see, and what is left in the store: nothing older than a 64th beyond its time.
    await run.task.flush();
    const slots = new Map(run.processor.slots.map((slot) => [slot.name, slot]));
    let alive = 0;
    for (const name of names) {
      const bytes = Buffer.from(name);
      const view = [
        committedValue(run.task, slots.get("one") as ValueSlot, bytes) ?? null,
        [...committedEntries(run.task, slots.get("many") as MapSlot, bytes, {})],
        [...committedItems(run.task, slots.get("items") as ListSlot, bytes)],
      ];
      const model = expected.keys.get(name) ?? new KeyModel();
      expect(view).toEqual(model.at(expected.now).slice(0, 3));
      for (const [id, n] of view[1] as [string, number][])
        expect(committedEntry(run.task, slots.get("many") as MapSlot, bytes, id)).toBe(n);
      const young = ({ at }: Written): boolean => at + ttlMs + Math.ceil(ttlMs / 64) > expected.now;
      alive += (model.one !== undefined && young(model.one) ? 1 : 0) + [...model.many.values()].filter(young).length;
      for (const list of [model.items, model.recent, model.kept]) {
        const stored = list.filter((one) => typeof one === "number" || young(one)).length;
        alive += stored === 0 ? 0 : stored + 1;
      }
    }
    const timers = [...run.store.rows.keys()].filter((k) => k.charCodeAt(0) === (slots.get("look")?.slot as number) + 1).length;
    expect(run.store.rows.size - 1 - timers).toBeLessThanOrEqual(alive);
  });

  test("a row that every record writes, or removes and writes, takes one place in the queue", async () => {
    const reader = new MemoryReader();
    append(
      reader,
      Array.from({ length: 6000 }, (_, i) => ({
        key: `k${i % 10}`,
        what: ["one", "many", "push", "delete"][i % 4] as string,
        id: "x",
        n: i,
        time: 1000 + Math.floor(i / 300),
      })),
    );
    const run = await new TaskRun(expiring(), reader).drain();
    expect(queueOf(run).size).toBeLessThanOrEqual(10 * 4);
    append(reader, [{ key: "k0", what: "nothing", id: "", n: 0, time: 10_000 }]);
    await run.drain();
    await run.task.flush();
    expect(queueOf(run).size).toBe(0);
    // The list that is kept for ever, a head and its items each; and the task's own row.
    const kept = (run.processor.slots.find((slot) => slot.name === "kept")?.slot as number) + 1;
    expect([...run.store.rows.keys()].filter((k) => k.charCodeAt(0) !== kept)).toHaveLength(1);
  });
});
