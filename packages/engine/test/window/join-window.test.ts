import { key, processor, topic, windows } from "@reprise/processor";
import { s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { Random } from "../support/random.ts";
import { MemoryReader, TaskRun } from "../support/task-run.ts";
import { expectedOf, type JoinRecord, type JoinShape } from "./join-model.ts";

const user = key("user", s.string);
const In = s.record("In", { at: s.double, adds: s.string });
const Left = s.record("Left", { id: s.int, note: s.string.optional() });
const out = topic("out", { key: user, value: s.string });

function make({ withinMs, graceMs, unmatched, order, disorderMs }: JoinShape): unknown {
  const inputs = Object.fromEntries(
    disorderMs.map((ms, i) => [`in${i}`, topic(`in${i}`, { key: user, value: In, time: (v) => v.at, outOfOrder: `${ms}ms` })]),
  );
  const onRecord = (value: { at: number; adds: string }, ctx: any): void => {
    for (const { side, id, at } of JSON.parse(value.adds) as JoinRecord["adds"]) {
      const v = side === "left" ? { id, note: null } : String(id);
      if (at === ctx.timestamp) ctx.windows.j[side](v);
      else ctx.windows.j[side](v, at);
    }
    ctx.out.out.emit(`${ctx.key} handled ${value.at}`);
  };
  return processor({
    ...{ name: "joined", version: 1, key: user, order, inputs, outputs: { out } },
    windows: { j: windows.join({ left: Left, right: s.string, within: `${withinMs}ms`, grace: `${graceMs}ms`, unmatched }) },
  } as never).handle({
    on: Object.fromEntries(Object.keys(inputs).map((alias) => [alias, onRecord])),
    onWindow: {
      j({ left, right }: any, ctx: any) {
        const { start, end, revision, previous, final } = ctx.window;
        if (revision !== 1 || previous !== undefined || !final) throw new Error("each is given once");
        ctx.out.out.emit(`${ctx.key} left ${left?.id ?? "none"} right ${right ?? "none"} [${start}, ${end}) at ${ctx.timestamp}`);
        // Who changes what they get changes nothing of what is stored.
        if (left !== null) left.id = -1;
      },
    },
  } as never);
}

const shapes: JoinShape[] = [];
for (const unmatched of ["none", "left", "right", "both"] as const)
  for (const order of ["log", "event-time"] as const)
    for (const graceMs of [0, 15])
      for (const disorderMs of [[0], [9], [0, 9]]) shapes.push({ withinMs: graceMs === 0 ? 10 : 4, graceMs, unmatched, order, disorderMs });

const named = (shape: JoinShape): [string, JoinShape] => [JSON.stringify(shape).replaceAll('"', ""), shape];

/** Times mostly move on; some are equal, out of order, late, before 1970, between two milliseconds; some contributions have a time of their own. */
function recordsOf(random: Random, inputs: number, count: number): JoinRecord[] {
  const records: JoinRecord[] = [];
  let now = -150;
  let id = 0;
  const fraction = random.pick([0, 0, 0.5]);
  for (let i = 0; i < count; i++) {
    now += random.pick([0, 0, 1, 2, 5, fraction, 30]);
    const at = now - random.pick([0, 0, 0, 1, 4, 9, 12, 25, 40]);
    const input = random.below(inputs);
    // With two inputs each is mostly a side of its own.
    const side = (): "left" | "right" => ((inputs === 2 && random.chance(0.8) ? input === 0 : random.chance(0.5)) ? "left" : "right");
    const adds = Array.from({ length: random.pick([0, 1, 1, 1, 1, 2]) }, () => ({
      side: side(),
      id: id++,
      at: random.chance(0.8) ? at : at + random.below(61) - 30,
    }));
    records.push({ input, key: random.pick(["a", "b", "c"]), at, adds });
  }
  return records;
}

function readerOf(records: readonly JoinRecord[], { processor: { key: keyRuntime, inputs }, reader }: TaskRun): void {
  for (const { input, key: name, at, adds } of records)
    reader.append(`in${input}`, {
      key: keyRuntime.encode(name),
      value: inputs[input]!.value.encode({ at, adds: JSON.stringify(adds) }),
      timestampMs: 1,
    });
}

const saidBy = ({ outputs, processor: { outputs: declared } }: TaskRun): string[] =>
  outputs.map(({ value }) => declared[0]!.value.decode(value as Buffer, 0, (value as Buffer).length) as string);

describe("a join", () => {
  test.each(shapes.map(named))("%s: as all pairs looked for at once, with any batches, caches and restarts", async (_name, shape) => {
    for (let seed = 0; seed < 4; seed++) {
      const random = new Random(seed);
      const records = recordsOf(random, shape.disorderMs.length, 120);
      const expected = expectedOf(shape, records);
      const digests = new Set<string>();
      for (const [batchRecords, maxCachedKeys, perCommit, perLife] of [
        [64, 100, 1, 1000],
        [1, 0, 1, 1 + random.below(20)],
        [7, 1, 3, 5],
      ] as const) {
        const run = new TaskRun(make(shape), new MemoryReader(), { batchRecords, maxCachedKeys });
        readerOf(records, run);
        let late = 0;
        for (let n = 1; (await run.task.step()) > 0; n++) {
          if (n % perLife !== 0 && n % perCommit !== 0) continue;
          run.commit();
          if (n % perLife !== 0) continue;
          late += run.task.counters.lateDropped;
          await run.restart();
        }
        run.commit();
        expect(run.task.failure).toBeUndefined();
        expect(saidBy(run)).toEqual(expected.said);
        expect(late + run.task.counters.lateDropped).toBe(expected.late.length);
        if (perLife === 1000 && expected.late.length > 0)
          expect(run.task.late).toEqual([
            {
              window: "j",
              how: "drop",
              records: expected.late.length,
              fromMs: Math.min(...expected.late),
              toMs: Math.max(...expected.late),
            },
          ]);
        digests.add(`${run.task.meta.digest} ${run.task.meta.outputs}`);
      }
      expect([...digests]).toHaveLength(1);
    }
  });

  test("the random streams have enough of everything to tell", () => {
    const told = { pairs: 0, left: 0, right: 0, late: 0 };
    for (const shape of shapes) {
      const { said, late } = expectedOf(shape, recordsOf(new Random(1), shape.disorderMs.length, 120));
      told.late += late.length;
      for (const text of said) {
        const found = / left (\S+) right (\S+) /.exec(text);
        if (found === null) continue;
        told[found[2] === "none" ? "left" : found[1] === "none" ? "right" : "pairs"]++;
      }
    }
    for (const count of Object.values(told)) expect(count).toBeGreaterThan(100);
  });

  /** One input whose handler does what the test says; `j` keeps both sides within 10 ms. */
  function start(
    onRecord: (n: number, ctx: any) => void,
    onPair: (pair: any, ctx: any) => void,
    onError: "fail" | "skip" = "fail",
  ): { readonly take: (at: number, n: number) => Promise<string[]>; readonly run: TaskRun } {
    const events = topic("events", { key: user, value: s.int });
    const definition = processor({
      ...{ name: "joined", version: 1, key: user, inputs: { events }, outputs: { out }, onError: { handler: onError } },
      windows: { j: windows.join({ left: Left, right: s.string, within: "10ms", unmatched: "both" }) },
    }).handle({ on: { events: onRecord }, onWindow: { j: onPair } });
    const run = new TaskRun(definition, new MemoryReader());
    let before = 0;
    const take = async (at: number, n: number): Promise<string[]> => {
      run.reader.append("events", { key: Buffer.from("k"), value: run.processor.inputs[0]!.value.encode(n), timestampMs: at });
      await run.drain();
      const said = saidBy(run).slice(before);
      before += said.length;
      return said;
    };
    return { take, run };
  }
  const say = ({ left, right }: any, ctx: any): void => ctx.out.out.emit(`${left?.id ?? "-"} ${right ?? "-"}`);

  test("a side waits for as long as it can match: to the millisecond", async () => {
    const sides = (n: number, ctx: any): void => (n < 0 ? ctx.windows.j.right(String(n)) : ctx.windows.j.left({ id: n, note: null }));
    const inTime = start(sides, say);
    expect(await inTime.take(1000, 1)).toEqual([]);
    expect(await inTime.take(1010, -1)).toEqual(["1 -1"]);
    const tooFar = start(sides, say);
    await tooFar.take(1000, 1);
    expect(await tooFar.take(1011, -1)).toEqual(["1 -"]);
    expect(await tooFar.take(1022, 2)).toEqual(["- -1"]);
    // At 1022 − 11 it is late, at 1022 − 10 it is not.
    expect(await tooFar.take(1011, -2)).toEqual([]);
    expect(tooFar.run.task.counters.lateDropped).toBe(1);
    expect(await tooFar.take(1012, -3)).toEqual(["2 -3"]);
    expect(tooFar.run.task.counters.lateDropped).toBe(1);
  });

  test("what is over by the watermark matches nothing, also while it waits for its turn to be told of", async () => {
    const { take } = start(
      (n, ctx) => ctx.windows.j.left({ id: n, note: null }),
      (pair, ctx) => {
        say(pair, ctx);
        if (pair.left?.id === 1) ctx.windows.j.right("r", 1006);
      },
    );
    await take(1000, 1);
    await take(1005, 2);
    expect(await take(1016, 3)).toEqual(["1 -", "2 -", "3 r"]);
  });

  test("waits end to the fraction of a millisecond, of any time", async () => {
    const base = 1_700_000_000_000;
    const atOf = [base, base + 2 ** -12, base + 0.001];
    const { take } = start((n, ctx) => n < 3 && ctx.windows.j.left({ id: n, note: null }, atOf[n]), say);
    for (const n of [0, 1, 2]) await take(base, n);
    expect(await take(base + 11, 3)).toEqual(["0 -"]);
    expect(await take(base + 12, 3)).toEqual(["1 -", "2 -"]);
    // 0.1 + 11 − 11 is not 0.1.
    const small = start((n, ctx) => n < 1 && ctx.windows.j.left({ id: n, note: null }, 0.1), say);
    await small.take(0, 0);
    expect(await small.take(11, 1)).toEqual([]);
    expect(await small.take(12, 1)).toEqual(["0 -"]);
  });

  test("a contribution is compared with those near it, however many others of its key wait", async () => {
    const { take, run } = start((n, ctx) => {
      if (n < 0) ctx.windows.j.right(`r${-n}`, -n);
      else
        for (let at = 0; at < n; at++)
          for (const side of ["left", "right"]) ctx.windows.j[side](side === "left" ? { id: at, note: null } : "", at * 100);
    }, say);
    await take(0, 3000);
    const { state } = run.task;
    const read = state.loadedRows.bind(state);
    let seen = 0;
    state.loadedRows = function* (...range) {
      for (const row of read(...range)) {
        seen++;
        yield row;
      }
    };
    // A right one at 150,005 ms, between two lefts that are 100 ms apart.
    expect(await take(0, -150_005)).toEqual(["1500 r150005"]);
    expect(seen).toBeLessThan(5);
  });

  test("nothing stays behind when all waits are over", async () => {
    const { take, run } = start((n, ctx) => (n % 2 === 0 ? ctx.windows.j.left({ id: n, note: null }) : ctx.windows.j.right("r")), say);
    for (let n = 0; n < 50; n++) await take(1000 + n, n);
    await run.restart();
    expect(run.store.rows.size).toBe(1 + 11);
    await take(2000, 50);
    await run.restart();
    expect(run.store.rows.size).toBe(1 + 1);
  });

  test("a handler that fails has added nothing, and matched nothing", async () => {
    const { take } = start(
      (n, ctx) => {
        ctx.windows.j.right(`r${n}`);
        if (n === 1) ctx.windows.j.left({ id: 1, note: null });
        if (n === 2) throw new Error("no");
        if (n === 3) ctx.windows.j.left({ id: "three" });
        if (n === 4) ctx.windows.j.left({ id: 4, note: null }, Number.NaN);
      },
      say,
      "skip",
    );
    expect(await take(1000, 0)).toEqual([]);
    for (const n of [2, 3, 4]) expect(await take(1001, n)).toEqual([]);
    expect(await take(1001, 1)).toEqual(["1 r0", "1 r1"]);
    expect(await take(2000, 0)).toEqual([]);
  });

  test("what does not fit, and what has no time, fails at its record with the join's name", async () => {
    const wrong = start((_n, ctx) => ctx.windows.j.left({ id: "one" }), say);
    await wrong.take(1000, 1);
    expect(wrong.run.task.failure).toMatchObject({ code: "HANDLER_FAILED" });
    expect(wrong.run.task.failure?.message).toMatch(/window j: left: .*id/);
    const never = start((_n, ctx) => ctx.windows.j.right("r", "soon"), say);
    await never.take(1000, 1);
    expect(never.run.task.failure).toMatchObject({ code: "INVALID_ARGUMENT" });
    expect(never.run.task.failure?.message).toContain("window j: a time in epoch ms within ±8640000000000000 was expected, got soon");
  });

  test("the handler of a pair may add: what that matches comes behind the pairs that are there", async () => {
    const { take } = start(
      (n, ctx) => (n < 0 ? ctx.windows.j.right(`r${-n}`) : ctx.windows.j.left({ id: n, note: null })),
      (pair, ctx) => {
        say(pair, ctx);
        if (pair.left?.id === 1) ctx.windows.j.left({ id: pair.right === "r1" ? 11 : 12, note: null }, 1000);
      },
    );
    await take(1000, -1);
    await take(1000, -2);
    expect(await take(1000, 1)).toEqual(["1 r1", "1 r2", "11 r1", "11 r2", "12 r1", "12 r2"]);
  });

  test("pairs that make pairs without end fail at the record", async () => {
    const { take, run } = start(
      (n, ctx) => (n < 0 ? ctx.windows.j.right(`r${-n}`) : ctx.windows.j.left({ id: n, note: null })),
      ({ left }, ctx) => left !== null && ctx.windows.j.left(left, 1000),
    );
    for (let n = 1; n <= 9; n++) await take(1000, -n);
    await take(1000, 1);
    expect(run.task.failure).toMatchObject({ code: "HANDLER_FAILED" });
    expect(run.task.failure?.message).toContain("does not come to an end");
  }, 60_000);
});
