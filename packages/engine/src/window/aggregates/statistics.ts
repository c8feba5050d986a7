const simple = ["sum", "min", "max", "mean", "variance", "stddev"] as const;
type SimpleStatistic = (typeof simple)[number];
const isSimple = (name: string): name is SimpleStatistic => (simple as readonly string[]).includes(name);

/** The statements that keep the statistics of one field in the numbers `n` of an accumulator. */
export interface StatisticsCode {
  /** For a value `v` that is a number. */
  readonly add: string;
  /** From the numbers `m` of another one. */
  readonly merge: string;
  /** An expression for each statistic. */
  readonly reads: readonly (readonly [statistic: string, expression: string])[];
}

/** `numbers` has the numbers of an accumulator without contributions; what these statistics need is put behind. `wanted`: no percentiles. */
export function compileStatistics(wanted: readonly string[], numbers: number[]): StatisticsCode {
  const slot = (initial: number): number => numbers.push(initial) - 1;
  const has = (...s: SimpleStatistic[]): boolean => s.some((x) => wanted.includes(x));
  const add: string[] = [];
  const merge: string[] = [];
  const spread = has("variance", "stddev");
  const counted = has("mean") || spread || has("min", "max") ? slot(0) : -1;
  if (counted >= 0) add.push(`n[${counted}] += 1;`);
  const sum = has("sum", "mean") ? slot(0) : -1;
  if (sum >= 0) {
    add.push(`n[${sum}] += v;`);
    merge.push(`n[${sum}] += m[${sum}];`);
  }
  const min = has("min") ? slot(Number.POSITIVE_INFINITY) : -1;
  if (min >= 0) {
    add.push(`if (v < n[${min}]) n[${min}] = v;`);
    merge.push(`if (m[${min}] < n[${min}]) n[${min}] = m[${min}];`);
  }
  const max = has("max") ? slot(Number.NEGATIVE_INFINITY) : -1;
  if (max >= 0) {
    add.push(`if (v > n[${max}]) n[${max}] = v;`);
    merge.push(`if (m[${max}] > n[${max}]) n[${max}] = m[${max}];`);
  }
  const running = spread ? slot(0) : -1;
  const m2 = spread ? slot(0) : -1;
  if (spread) {
    // Welford's method: one pass, no cancellation.
    add.push(`{ const d = v - n[${running}]; n[${running}] += d / n[${counted}]; n[${m2}] += d * (v - n[${running}]); }`);
    // Chan, Golub, LeVeque 1979: the same for two that were counted apart.
    merge.push(
      `if (m[${counted}] > 0) { const a = n[${counted}], b = m[${counted}], d = m[${running}] - n[${running}];`,
      `n[${running}] = a === 0 ? m[${running}] : n[${running}] + d * (b / (a + b)); n[${m2}] += m[${m2}] + (a === 0 ? 0 : d * d * (a * (b / (a + b)))); }`,
    );
  }
  // Last: the formulas above need the counts as they were.
  if (counted >= 0) merge.push(`n[${counted}] += m[${counted}];`);
  const none = (expression: string): string => `(n[${counted}] === 0 ? NaN : ${expression})`;
  const read: { readonly [s in SimpleStatistic]: () => string } = {
    sum: () => `n[${sum}]`,
    min: () => none(`n[${min}]`),
    max: () => none(`n[${max}]`),
    mean: () => none(`n[${sum}] / n[${counted}]`),
    variance: () => none(`n[${m2}] / n[${counted}]`),
    stddev: () => none(`Math.sqrt(n[${m2}] / n[${counted}])`),
  };
  return { add: add.join(" "), merge: merge.join(" "), reads: wanted.filter(isSimple).map((s) => [s, read[s]()] as const) };
}
