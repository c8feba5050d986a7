import type { Case } from "./case.ts";
import type { About, Between, Expected, ExpectedRow } from "./model.ts";
import type { ResultRow } from "./result-row.ts";

/** Undefined: equal, row by row. Else the first difference, in words. */
export function compare(one: Case, { rows: expected }: Expected, got: readonly ResultRow[]): string | undefined {
  // The guide fixes the order among results that fall due. Those of `change` have no time of their own: there each window stands for itself.
  const together = one.windows.every((w) => w.emit !== "change" && w.throttleMs === null);
  const sequences = together ? [undefined] : one.windows.map((w) => w.name);
  for (const name of sequences) {
    const fault = compareInOrder(
      expected.filter((row) => name === undefined || row.window === name),
      got.filter((row) => name === undefined || row.window === name),
    );
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function compareInOrder(expected: readonly ExpectedRow[], got: readonly ResultRow[]): string | undefined {
  for (let i = 0; i < Math.max(expected.length, got.length); i++) {
    const [want, have] = [expected[i], got[i]];
    if (want === undefined) return `row ${i}: nothing expected, got ${textOf(have)}`;
    if (have === undefined) return `row ${i}: missing ${textOf(want)}`;
    const field = fields.find((name) => !alike(want[name], have[name]));
    if (field !== undefined) return `row ${i}: ${field} differs\n  expected ${textOf(want)}\n  got      ${textOf(have)}`;
  }
  return undefined;
}

const fields = [
  "input",
  "offset",
  "what",
  "window",
  "key",
  "start",
  "end",
  "streamTimeMs",
  "revision",
  "final",
  "result",
  "previous",
] as const;

const textOf = (row: ResultRow | undefined): string => {
  const { step: _step, ...rest } = { step: "", ...row };
  return JSON.stringify(rest);
};

/** Sums are exact here. A mean is rounded once; a variance of values far from 0 loses digits, others in each order of adding. */
const roundings: { readonly [name: string]: number } = { mean: 1e-12, variance: 1e-6, stddev: 1e-6 };

function alike(want: unknown, have: unknown, name = ""): boolean {
  if (typeof want === "number" && typeof have === "number")
    return want === have || Math.abs(want - have) <= (roundings[name.replace("one_", "")] ?? 0) * Math.max(Math.abs(want), Math.abs(have));
  if (typeof want !== "object" || want === null) return want === have || (want === null && have === undefined);
  if (Array.isArray(want)) return Array.isArray(have) && have.length === want.length && want.every((item, i) => alike(item, have[i]));
  if ("lo" in want) return between(want as Between, have);
  if ("about" in want)
    return typeof have === "number" && Math.abs(have - (want as About).about) <= Math.max(1, 0.1 * (want as About).about);
  if (typeof have !== "object" || have === null) return false;
  const names = new Set([...Object.keys(want), ...Object.keys(have)]);
  return [...names].every((name) => alike((want as Record<string, unknown>)[name], (have as Record<string, unknown>)[name], name));
}

/** A sketch promises 1 % of the value. */
function between({ lo, hi }: Between, have: unknown): boolean {
  const [low, high] = [Math.min(lo, hi), Math.max(lo, hi)];
  const slack = (n: number): number => 0.0101 * Math.abs(n) + 1e-9;
  return typeof have === "number" && have >= low - slack(low) && have <= high + slack(high);
}
