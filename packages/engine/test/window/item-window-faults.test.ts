import { fold, key, processor, topic, windows } from "@reprise/processor";
import { s } from "@reprise/schema";
import { expect, test } from "vitest";
import { decodeContribution, encodeContribution } from "../../src/window/contribution-codec.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";

const user = key("user", s.string);

/** A handler over one window, by records' bodies; what it emits is kept as JSON. */
function start(
  handle: (body: string, ctx: any) => void,
  options: object,
  onError: object = {},
): { run: TaskRun; send(...bodies: string[]): Promise<unknown[]> } {
  const values = topic("values", { key: user, value: s.string });
  const rows = topic("rows", { key: user, value: s.string });
  const made = processor({
    ...{ name: "faults", version: 1, key: user, inputs: { values }, outputs: { rows }, onError },
    windows: { w: windows.tumbling({ size: "10ms", grace: "1m", emit: "end", items: s.string, aggregate: { n: "sum" }, ...options }) },
  } as never).handle({
    on: { values: handle },
    onWindow: { w: ({ count, n }: any, ctx: any) => ctx.out.rows.emit(JSON.stringify([ctx.window.start, count, n])) },
  } as never);
  const reader = new MemoryReader();
  const run = new TaskRun(made, reader);
  const { inputs, outputs } = run.processor;
  let at = 0;
  const send = async (...bodies: string[]): Promise<unknown[]> => {
    const before = run.outputs.length;
    for (const body of bodies) reader.append("values", { key: Buffer.from("a"), value: inputs[0]!.value.encode(body), timestampMs: at++ });
    await run.drain();
    return run.outputs.slice(before).map(({ value }) => {
      const bytes = value as Buffer;
      return JSON.parse(outputs[0]!.value.decode(bytes, 0, bytes.length) as string) as unknown;
    });
  };
  return { run, send };
}

test.each([
  ["a value that is no number", "a", { n: "seven" }, undefined, "window w: n must be a number or null, got string"],
  ["NaN", "a", { n: Number.NaN }, undefined, "window w: n must be a number or null, got NaN"],
  ["an id that does not fit", 7, { n: 1 }, undefined, "window w: id: "],
  ["a time that is none", "a", { n: 1 }, Number.NaN, "window w: a time in epoch ms within ±8640000000000000 was expected, got NaN"],
  ["what can't be kept", "a", { n: () => 1 }, undefined, "window w: n: an item is kept as plain data, got a function"],
] as const)("%s is refused, and the item that was there stays", async (_name, id, values, at, message) => {
  for (const first of [true, false]) {
    const said: string[] = [];
    const { send } = start((body, ctx) => {
      if (body === "bad")
        try {
          ctx.windows.w.put(id, values, at);
        } catch (error) {
          said.push((error as Error).message);
        }
      else ctx.windows.w.put(body, { n: 5 }, 0);
    }, {});
    // Whether the window was made from scratch or is to be made anew.
    expect(await send("a", ...(first ? [] : ["b", "a"]), "bad")).toEqual([]);
    expect(said).toHaveLength(1);
    expect(said[0]).toContain(message);
    expect(await send(...Array.from({ length: 12 }, () => "a"))).toContainEqual([0, first ? 1 : 2, first ? 5 : 10]);
  }
});

test("a fold that throws on an item leaves the item before, in every window that it was in", async () => {
  const { send } = start(
    (body, ctx) => {
      const [id, n] = body.split("=") as [string, string];
      try {
        ctx.windows.w.put(id, { n: Number(n) }, 9);
      } catch {
        ctx.out.rows.emit(JSON.stringify(ctx.windows.w.current(9)));
      }
    },
    { aggregate: { n: fold(s.int, { initial: 0, add: (total: number, n: number) => (n < 0 ? refuse() : total + n) }) } },
  );
  expect(await send("a=1", "b=2", "a=-3", "c=-4")).toEqual([
    { count: 2, n: 3 },
    { count: 2, n: 3 },
  ]);
});

function refuse(): never {
  throw new Error("no such thing");
}

test("a fold that throws when a window is made anew stops the task, whatever the policy, in front of the record", async () => {
  // In this order it is 10 at most; made anew without the second item, it is more.
  const { run, send } = start(
    (body, ctx) => {
      const [id, n] = body.split("=") as [string, string];
      if (n === undefined) ctx.windows.w.remove(id);
      else ctx.windows.w.put(id, { n: Number(n) }, 0);
    },
    {
      emit: "change",
      aggregate: { n: fold(s.int, { initial: 0, add: (total: number, n: number) => (total + n > 10 ? refuse() : total + n) }) },
    },
    { handler: "skip" },
  );
  expect(await send("a=8", "b=-5", "c=7")).toEqual([
    [0, 1, 8],
    [0, 2, 3],
    [0, 3, 10],
  ]);
  expect(await send("b")).toEqual([]);
  expect(run.task.failure).toMatchObject({
    code: "HANDLER_FAILED",
    message: "faults v1: record values-0@3 failed: window w at 0, made anew from its items: no such thing",
  });
  expect(run.task.position).toEqual({ values: 3 });
});

test("what is removed and is not there is counted", async () => {
  const { run, send } = start((body, ctx) => (body === "put" ? ctx.windows.w.put("a", { n: 1 }) : ctx.windows.w.remove("a")), {});
  await send("remove", "put", "remove", "remove");
  expect(run.task.counters.itemsUnknown).toBe(2);
});

test("a contribution comes back as it was given", () => {
  const given = {
    number: -0,
    none: null,
    missing: undefined,
    text: "é \ud800 \0",
    flags: [true, false, [], {}],
    big: -(2n ** 70n),
    bytes: Buffer.from([0, 255]),
    date: new Date(-1.5e12),
    nested: { b: 1.5, a: { "": "x" }, é: [undefined] },
    huge: [Number.NEGATIVE_INFINITY, Number.NaN, Number.MIN_VALUE],
    many: Array.from({ length: 300 }, (_, i) => i),
  };
  const fields = Object.keys(given);
  const bytes = encodeContribution({ ...given, other: "not declared" }, fields, "w");
  const back = decodeContribution(Buffer.concat([bytes]), fields);
  expect(back).toStrictEqual(given);
  expect(Object.keys(back["nested"] as object)).toEqual(["b", "a", "é"]);
  expect(() => encodeContribution({ a: { b: new Map() } }, ["a"], "w")).toThrow("window w: a: an item is kept as plain data, got a Map");
});
