import type { Run } from "./manifest-file.ts";

/** Runs of one tier before they become one of the next. More: fewer rows are written twice, and more runs are merged when it is read. */
const fanIn = 8;
/** Of the lowest tier. */
const smallestBytes = 64 << 10;

/**
 * How many of the newest runs are to become one (size-tiered compaction, as in Cassandra): as soon as eight are of the newest one's tier or
 * below. A row is written once per tier, and a state changed k times has some log₈ k · 8 runs. 0: none; the whole copy is never among them.
 */
export function runsToMerge(runs: readonly Run[]): number {
  const newest = runs.at(-1);
  if (newest === undefined || runs.length < 2) return 0;
  const tier = tierOf(newest);
  let same = 0;
  while (same < runs.length - 1 && tierOf(runs[runs.length - 1 - same] as Run) <= tier) same += 1;
  return same < fanIn ? 0 : same;
}

function tierOf(run: Run): number {
  const bytes = run.reduce((sum, segment) => sum + segment.bytes, 0);
  return Math.max(0, Math.floor(Math.log(bytes / smallestBytes) / Math.log(fanIn)) + 1);
}
