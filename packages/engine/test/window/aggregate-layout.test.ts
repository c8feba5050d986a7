import { type Aggregates, distinct, first, fold, last, top, windows } from "@reprise/processor";
import { s } from "@reprise/schema";
import { describe, expect, test } from "vitest";
import { type Accumulator, copyOf } from "../../src/window/accumulator.ts";
import { type AggregateDefinitions, type AggregateLayout, compileAggregates } from "../../src/window/aggregate-layout.ts";
import { Random } from "../support/random.ts";

const layoutOf = (aggregate: Aggregates, needsMerge = false): AggregateLayout =>
  compileAggregates(windows.tumbling({ size: "1s", aggregate }).aggregate as unknown as AggregateDefinitions, "w", needsMerge);

const Item = s.record("Item", { shop: s.string, n: s.long });
type Item = { shop: string; n: number };
const everything: Aggregates = {
  n: ["sum", "min", "max", "mean", "variance", "stddev", "p50", "p95", "p99.9", "p100"],
  alone: "p10",
  opened: first(Item),
  closed: last(Item.optional()),
  shops: distinct(s.string),
  items: distinct(Item),
  about: distinct(s.long, { approximate: true }),
  best: top(3, s.string),
  // Changes its total in place, which must not show anywhere else.
  list: fold(s.array(s.long), {
    initial: [],
    add(total, given: number) {
      (total as number[]).push(given);
      return total;
    },
    merge(a, b) {
      (a as number[]).push(...b);
      return a;
    },
  }),
};

interface Contribution {
  readonly timeMs: number;
  readonly values: {
    readonly n: number | null;
    readonly alone: number | null;
    readonly opened: Item | null;
    readonly closed: Item | null;
    readonly shops: string | null;
    readonly items: Item | null;
    readonly about: number | null;
    readonly best: { item: string; by: number } | null;
    readonly list: number;
  };
}

function contribution(random: Random, id: number): Contribution {
  const or = <T>(value: T): T | null => (random.chance(0.1) ? null : value);
  const number = random.chance(0.1)
    ? random.pick([0, -0, 1e-320, -3e200, 5e-9, Number.MAX_VALUE / 1e10])
    : (random.next() - 0.3) * 10 ** random.below(6);
  const item = { shop: `shop ${random.below(8)}`, n: id };
  return {
    timeMs: random.below(20),
    values: {
      n: or(Math.abs(number) > 1e100 ? 7 : number),
      alone: or(number),
      opened: or(item),
      closed: or(item),
      shops: or(`ü${random.below(30)}`),
      items: or({ shop: item.shop, n: random.below(3) }),
      about: or(random.below(2000)),
      best: or({ item: `x${random.below(7)}`, by: random.below(9) - 3 }),
      list: id,
    },
  };
}

const present = <T>(list: readonly (T | null)[]): T[] => list.filter((v): v is T => v !== null);

/** The value at rank ⌈p / 100 · n⌉. */
function atRank(values: readonly number[], percent: number): number {
  if (values.length === 0) return Number.NaN;
  return values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil((percent / 100) * values.length)) - 1] as number;
}

/** Within 1 %; what is too small for a normal number counts as 0. */
function expectNear(got: unknown, value: number): void {
  if (Number.isNaN(value)) expect(got).toBeNaN();
  else expect(Math.abs((got as number) - value)).toBeLessThanOrEqual(Math.abs(value) * 0.0100001 + 1e-300);
}

/** The aggregates, the plain way: from all contributions, in the order in which they came. */
function expectResult(result: { readonly [name: string]: unknown }, all: readonly Contribution[]): void {
  expect(result["count"]).toBe(all.length);
  const of = <K extends keyof Contribution["values"]>(name: K): NonNullable<Contribution["values"][K]>[] =>
    present(all.map(({ values }) => values[name])) as NonNullable<Contribution["values"][K]>[];
  const n = of("n");
  const got = result["n"] as { readonly [s: string]: number };
  const sum = n.reduce((total, v) => total + v, 0);
  const scale = Math.max(1, ...n.map(Math.abs)) * Math.max(1, n.length);
  const near = (a: number | undefined, b: number, unit: number): void => {
    if (Number.isNaN(b)) expect(a).toBeNaN();
    else expect(Math.abs((a as number) - b) / unit).toBeLessThan(1e-12);
  };
  near(got["sum"], sum, scale);
  near(got["mean"], sum / n.length, scale);
  expect(got["min"]).toBe(n.length === 0 ? Number.NaN : n.reduce((a, b) => (b < a ? b : a)));
  expect(got["max"]).toBe(n.length === 0 ? Number.NaN : n.reduce((a, b) => (b > a ? b : a)));
  const mean = sum / n.length;
  const variance = n.reduce((total, v) => total + (v - mean) ** 2, 0) / n.length;
  near(got["variance"], variance, scale * scale);
  near((got["stddev"] ?? 0) ** 2, variance, scale * scale);
  for (const p of [50, 95, 99.9, 100]) expectNear(got[`p${p}`], atRank(n, p));
  expectNear(result["alone"], atRank(of("alone"), 10));

  const timed = (name: "opened" | "closed"): { timeMs: number; value: Item }[] =>
    all.flatMap(({ timeMs, values }) => (values[name] === null ? [] : [{ timeMs, value: values[name] }]));
  const opened = timed("opened").reduce<{ timeMs: number; value: Item } | null>(
    (a, b) => (a === null || b.timeMs < a.timeMs ? b : a),
    null,
  );
  const closed = timed("closed").reduce<{ timeMs: number; value: Item } | null>(
    (a, b) => (a === null || b.timeMs >= a.timeMs ? b : a),
    null,
  );
  expect(result["opened"]).toEqual(opened?.value ?? null);
  expect(result["closed"]).toEqual(closed?.value ?? null);

  expect(result["shops"]).toBe(new Set(of("shops")).size);
  expect(result["items"]).toBe(new Set(of("items").map((v) => JSON.stringify(v))).size);
  const about = new Set(of("about")).size;
  expect(Math.abs((result["about"] as number) - about)).toBeLessThanOrEqual(Math.max(2, about * 0.08));

  const sums = new Map<string, number>();
  for (const { item, by } of of("best")) sums.set(item, (sums.get(item) ?? 0) + by);
  const best = [...sums].map(([item, by]) => ({ item, by })).sort((a, b) => b.by - a.by || (a.item < b.item ? -1 : 1));
  expect((result["best"] as { item: string; by: number }[]).map(({ item, by }) => ({ item, by: by + 0 }))).toEqual(best.slice(0, 3));
  expect(result["list"]).toEqual(of("list"));
}

/** An accumulator, what it must hold, and its bytes when it was made. */
interface Version {
  readonly accumulator: Accumulator;
  readonly all: readonly Contribution[];
  readonly bytes: Buffer;
}

describe("aggregates", () => {
  test.each([1, 2, 3, 4, 5, 6])(
    "are those of all contributions, whatever was added to whatever version, merged or stored and read (seed %i)",
    (seed) => {
      const random = new Random(seed);
      const layout = layoutOf(everything, true);
      const versions: Version[] = [];
      const push = (accumulator: Accumulator, all: readonly Contribution[]): void => {
        versions.push({ accumulator, all, bytes: layout.encode(accumulator) });
      };
      push(layout.empty, []);
      for (let step = 0; step < 700; step++) {
        // Mostly the newest one; sometimes one that was left behind, as after an undo.
        const from = random.chance(0.8) ? (versions.at(-1) as Version) : random.pick(versions);
        const next = copyOf(from.accumulator);
        const choice = random.next();
        if (choice < 0.06) {
          const other = random.pick(versions);
          layout.merge(next, other.accumulator);
          push(next, [...from.all, ...other.all].slice(0, 4000));
          if (from.all.length + other.all.length > 4000) versions.pop();
        } else if (choice < 0.12) push(layout.decode(from.bytes), from.all);
        else {
          const one = contribution(random, step);
          layout.add(next, one.values, one.timeMs);
          push(next, [...from.all, one]);
        }
        const seen = random.chance(0.5) ? (versions.at(-1) as Version) : random.pick(versions);
        if (random.chance(0.2)) expectResult(layout.result(seen.accumulator), seen.all);
        if (random.chance(0.2)) expect(layout.encode(seen.accumulator)).toEqual(seen.bytes);
      }
      for (const { accumulator, all, bytes } of versions.filter((_, i) => i % 10 === 0)) {
        expect(layout.encode(accumulator)).toEqual(bytes);
        expect(layout.encode(layout.decode(bytes))).toEqual(bytes);
        expectResult(layout.result(layout.decode(bytes)), all);
      }
    },
  );

  test.each([11, 12, 13])("merge in any grouping to the same (seed %i)", (seed) => {
    const random = new Random(seed);
    const layout = layoutOf(everything, true);
    const parts = Array.from({ length: 6 }, (_, part) => {
      const accumulator = copyOf(layout.empty);
      const all = Array.from({ length: part === 2 ? 0 : random.below(300) }, (_unused, i) => contribution(random, part * 1000 + i));
      for (const { values, timeMs } of all) layout.add(accumulator, values, timeMs);
      return { accumulator: accumulator as Accumulator, all };
    });
    const group = (from: number, to: number): Accumulator => {
      if (to - from === 1) return (parts[from] as { accumulator: Accumulator }).accumulator;
      const middle = from + 1 + random.below(to - from - 1);
      const into = copyOf(group(from, middle));
      layout.merge(into, group(middle, to));
      return into;
    };
    const all = parts.flatMap((part) => part.all);
    const exact = (accumulator: Accumulator): unknown => {
      const { n, ...result } = layout.result(accumulator) as { n: { sum: number; mean: number; variance: number; stddev: number } };
      return { ...n, ...result, sum: 0, mean: 0, variance: 0, stddev: 0 };
    };
    const one = group(0, parts.length);
    for (let i = 0; i < 20; i++) {
      const other = group(0, parts.length);
      expectResult(layout.result(other), all);
      expect(exact(other)).toEqual(exact(one));
    }
    for (const { accumulator, all: taken } of parts) expectResult(layout.result(accumulator), taken);
  });

  test("what was emitted is kept as its result, and is the same before and after it was stored", () => {
    const random = new Random(21);
    const layout = layoutOf(everything);
    const a = copyOf(layout.empty);
    for (let i = 0; i < 200; i++) layout.add(a, contribution(random, i).values, i);
    const taken = copyOf(a);
    const result = layout.result(taken);
    a.revision = 3;
    for (const emitted of [{ ...taken, emitted: undefined }, layout.settled(taken)]) {
      const b = copyOf(a);
      b.emitted = emitted;
      layout.add(b, contribution(random, 1000).values, 5);
      const bytes = layout.encode(b);
      const read = layout.decode(bytes);
      expect(read.revision).toBe(3);
      expect(read.emitted?.count).toBe(200);
      for (const previous of [b.emitted, read.emitted as Accumulator]) expect(layout.result(previous)).toEqual(result);
      expect(layout.encode(read)).toEqual(bytes);
      expect(layout.encode({ ...b, emitted: layout.settled(taken) })).toEqual(bytes);
    }
    expect(layout.result(layout.decode(layout.encode({ ...layout.empty, emitted: layout.empty })).emitted as Accumulator)).toEqual(
      layout.result(layout.empty),
    );
  });

  test("percentiles are within 1 % of the value at the rank, for skewed, negative, huge and infinite values", () => {
    const random = new Random(31);
    const shapes: { readonly [name: string]: () => number } = {
      exponential: () => -Math.log(1 - random.next()) * 1e-3,
      lognormal: () => Math.exp((random.next() + random.next() + random.next() - 1.5) * 20),
      mixed: () => (random.next() - 0.5) * 10 ** random.below(300),
      few: () => random.pick([-1, 0, 1, 1, 1]),
      infinite: () => random.pick([Number.NEGATIVE_INFINITY, -2, 3, Number.MAX_VALUE, Number.POSITIVE_INFINITY]),
    };
    const percents = [0.1, 1, 10, 25, 50, 75, 90, 99, 99.9, 100];
    const layout = layoutOf({ v: percents.map((p) => `p${p}` as const) });
    for (const [name, value] of Object.entries(shapes)) {
      const values = Array.from({ length: 3000 }, value);
      const a = copyOf(layout.empty);
      for (const v of values) layout.add(a, { v }, 0);
      const { v } = layout.result(a) as { v: { readonly [p: string]: number } };
      for (const p of percents) {
        const exact = atRank(values, p);
        if (Math.abs(exact) > 1e308) expect(Math.abs(v[`p${p}`] as number), name).toBeGreaterThan(1e308);
        else expectNear(v[`p${p}`], exact);
        expect(Math.sign(v[`p${p}`] as number), name).toBe(Math.sign(exact));
      }
    }
  });

  test.each([10, 100, 250, 300, 1000, 1100, 5000, 20_000, 100_000])(
    "approximately distinct: %i values within four standard errors, in 4 KiB",
    (n) => {
      const layout = layoutOf({ v: distinct(s.string, { approximate: true }) });
      let a = layout.empty;
      for (let i = 0; i < n; i++) {
        const next = copyOf(a);
        layout.add(next, { v: `value ${i}` }, 0);
        // What comes again changes nothing.
        layout.add(next, { v: `value ${Math.floor(i / 2)}` }, 0);
        a = next;
      }
      const bytes = layout.encode(a);
      expect(bytes.length).toBeLessThan(4096 + 100);
      for (const one of [a, layout.decode(bytes)]) {
        const found = layout.result(one)["v"] as number;
        expect(Math.abs(found / n - 1)).toBeLessThan(4 * 0.01625);
      }
    },
  );

  test("a value that does not fit is refused, with the window and the field, and nothing has changed", () => {
    const layout = layoutOf(everything);
    const random = new Random(41);
    const a = copyOf(layout.empty);
    for (let i = 0; i < 50; i++) layout.add(a, contribution(random, i).values, i);
    const bytes = layout.encode(a);
    const good = {
      n: 1,
      alone: 1,
      opened: { shop: "a", n: 1 },
      closed: null,
      shops: "a",
      items: null,
      about: 1,
      best: { item: "a", by: 1 },
      list: 1,
    };
    const wrong: [string, unknown][] = [
      ["n", "1"],
      ["alone", Number.NaN],
      ["opened", { shop: 1, n: 1 }],
      ["opened", undefined],
      ["closed", { shop: "a" }],
      ["shops", 1],
      ["about", 1.5],
      ["best", { item: "a", by: Number.POSITIVE_INFINITY }],
      ["best", { item: 1, by: 1 }],
      ["best", undefined],
      ["list", "no number"],
    ];
    for (const [field, value] of wrong) {
      expect(() => layout.add(copyOf(a), { ...good, [field]: value }, 1), `${field}: ${String(value)}`).toThrow(
        expect.objectContaining({ code: "SCHEMA_INVALID", message: expect.stringContaining(`window w: ${field}`) }),
      );
      expect(layout.encode(a)).toEqual(bytes);
    }
    layout.add(copyOf(a), good, 1);
  });

  test("a fold without merge is refused where parts are combined", () => {
    const own = { total: fold(s.long, { initial: 0, add: (total: number, n: number) => total + n }) };
    expect(() => layoutOf(own, true)).toThrow(
      expect.objectContaining({ code: "INVALID_DECLARATION", message: expect.stringMatching(/window w: the fold total/) }),
    );
    expect(() => layoutOf(own, false)).not.toThrow();
    const layout = layoutOf({ total: fold(s.long, { initial: 0, add: (a: number, b: number) => a + b, merge: () => "x" as never }) }, true);
    expect(() => layout.merge(copyOf(layout.empty), layout.empty)).toThrow(expect.objectContaining({ code: "SCHEMA_INVALID" }));
  });

  test("a row of another format is refused", () => {
    const layout = layoutOf(everything);
    const bytes = layout.encode(layout.empty);
    bytes[0] = 2;
    expect(() => layout.decode(bytes)).toThrow(expect.objectContaining({ code: "STATE_CORRUPT" }));
  });
});
