import type { RowWrite } from "@reprise/engine";
import type { RunReader } from "./run-reader.ts";

const chunkRows = 2_000;

/**
 * The rows of runs as one, in key order, the newest run's where several have a key. Deletions stay in; who reads a whole state drops them.
 * @param runs oldest first; `nextSegment` was not called yet
 */
export async function* mergeRuns(runs: readonly RunReader[]): AsyncGenerator<RowWrite[]> {
  await Promise.all(runs.map((run) => run.nextSegment()));
  const [base, ...changes] = runs;
  if (base === undefined) return;
  let out: RowWrite[] = [];
  for (;;) {
    const next = smallest(changes);
    // What the oldest run, by far the largest, has before it needs no comparisons row by row.
    while (!base.ended) {
      const end = next === undefined ? base.rows.length : lowerBound(base, next.row.key);
      if (end === base.rows.length && base.at === 0 && out.length === 0) yield base.rows as RowWrite[];
      else for (let at = base.at; at < end; at += 1) out.push(base.rows[at] as RowWrite);
      base.at = end;
      if (!base.ended) break;
      if (out.length >= chunkRows) {
        yield out;
        out = [];
      }
      await base.nextSegment();
    }
    if (next === undefined) break;
    const { row } = next;
    out.push(row);
    for (const run of runs) {
      if (run.ended || compare(run.row.key, row.key) !== 0) continue;
      const more = run.advance();
      if (more !== undefined) await more;
    }
    if (out.length >= chunkRows) {
      yield out;
      out = [];
    }
  }
  if (out.length > 0) yield out;
}

/** The run whose next key is the smallest; of several the newest. */
function smallest(runs: readonly RunReader[]): RunReader | undefined {
  let found: RunReader | undefined;
  for (let i = runs.length - 1; i >= 0; i -= 1) {
    const run = runs[i] as RunReader;
    if (!run.ended && (found === undefined || compare(run.row.key, found.row.key) < 0)) found = run;
  }
  return found;
}

/** Index of the first row from `at` on whose key is not below. */
function lowerBound({ rows, at }: RunReader, key: Uint8Array): number {
  let low = at;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare((rows[middle] as RowWrite).key, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

const compare = (a: Uint8Array, b: Uint8Array): number => Buffer.compare(a, b);
