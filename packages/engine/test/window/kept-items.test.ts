import { key, processor, topic, windows } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { expect, test } from "vitest";
import { Random } from "../support/random.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const user = key("user", s.string);
const Put = s.record("Put", { id: s.string, n: s.long });
const puts = topic("puts", { key: user, value: json(Put) });
const rows = topic("rows", { key: user, value: s.string });

const options = { keep: "1h", throttle: "100ms", items: s.string, aggregate: { n: "sum" } } as const;
const kinds = {
  tumbling: (emit: "end" | "change") => windows.tumbling({ size: "1s", emit, ...options }),
  hopping: (emit: "end" | "change") => windows.hopping({ size: "1s", every: "500ms", grace: "200ms", emit, ...options }),
  rolling: (emit: "end" | "change") => windows.rolling({ size: "1s", step: "250ms", emit, ...options }),
};

/** State and outputs after each record; with `restartBefore`, of a task that was opened anew before that record. */
async function statesOf(kind: keyof typeof kinds, emit: "end" | "change", seed: number, restartBefore?: number): Promise<string[]> {
  const kept = processor({
    name: "kept",
    version: 1,
    key: user,
    inputs: { puts },
    outputs: { rows },
    windows: { w: kinds[kind](emit) },
  } as never).handle({
    on: { puts: ({ id, n }: { id: string; n: number }, ctx: any) => ctx.windows.w.put(id, { n }) },
    onWindow: { w: ({ count, n }: any, ctx: any) => ctx.out.rows.emit(JSON.stringify([ctx.window, count, n])) },
  } as never);
  const random = new Random(seed);
  const reader = new MemoryReader();
  const run = new TaskRun(kept, reader);
  const states: string[] = [];
  for (let i = 0, at = 0; i < 12; i++) {
    at += random.below(4) === 0 ? 2000 : random.below(120);
    const value = Buffer.from(JSON.stringify({ id: String(random.below(4)), n: random.below(9) }));
    reader.append("puts", { key: Buffer.from(`k${random.below(2)}`), value, timestampMs: at });
    if (i === restartBefore) await run.restart();
    await run.drain();
    states.push(run.task.meta.digest + run.task.meta.outputs);
  }
  return states;
}

test.each(Object.keys(kinds) as (keyof typeof kinds)[])(
  "items of %s windows with throttle go when the last one closes, although time jumps over it, and a restart changes nothing",
  async (kind) => {
    for (const emit of ["end", "change"] as const) {
      for (let seed = 0; seed < 3; seed++) {
        const states = await statesOf(kind, emit, seed);
        for (let at = 1; at < states.length; at++) expect([seed, await statesOf(kind, emit, seed, at)]).toEqual([seed, states]);
      }
    }
  },
);
