import type { Case } from "./case.ts";

/** Tries at most so many smaller cases: each is one run of engine and model. */
const maxTries = 150;

/**
 * A smaller case that still has a fault (any): without a second window, then with fewer records, halves first, then with fewer aggregates.
 * @param faultOf what is wrong with a case; undefined when nothing is
 */
export async function shrink(
  one: Case,
  fault: string,
  faultOf: (smaller: Case) => Promise<string | undefined>,
): Promise<{ readonly one: Case; readonly fault: string }> {
  let best = { one, fault };
  let tries = 0;
  const keep = async (smaller: Case): Promise<boolean> => {
    if (tries++ >= maxTries) return false;
    const found = await faultOf(smaller);
    if (found === undefined) return false;
    best = { one: smaller, fault: found };
    return true;
  };
  for (const w of one.windows.length > 1 ? one.windows : []) if (await keep({ ...best.one, windows: [w] })) break;
  for (let size = Math.ceil(best.one.records.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < best.one.records.length; ) {
      const records = best.one.records.filter((_record, i) => i < from || i >= from + size);
      if (records.length === 0 || !(await keep({ ...best.one, records }))) from += size;
    }
  }
  for (const [i, w] of best.one.windows.entries()) {
    for (const aggregate of w.aggregates) {
      const mine = best.one.windows[i] as typeof w;
      const smaller = { ...mine, aggregates: mine.aggregates.filter((a) => a !== aggregate) };
      await keep({ ...best.one, windows: best.one.windows.map((other, k) => (k === i ? smaller : other)) });
    }
  }
  return best;
}
