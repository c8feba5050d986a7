import { story, type StoryOptions, type StoryResult } from "./story.ts";

/** Runs at most: a long schedule need not be the shortest to be of use. */
const mostRuns = 400;

/**
 * A short list of faults that still violates the same invariant: delta debugging over what was injected. Leaving one out may lead elsewhere; what counts
 * is only that the run fails in the same way.
 */
export async function shrink(failed: StoryResult, run: (options: StoryOptions) => Promise<StoryResult> = story): Promise<StoryResult> {
  let best = failed;
  let runs = 0;
  const fails = async (faults: readonly string[]): Promise<boolean> => {
    if (++runs > mostRuns) return false;
    const result = await run({ seed: failed.seed, only: new Set(faults) });
    if (result.violation?.invariant !== failed.violation?.invariant) return false;
    best = result;
    return true;
  };
  let parts = 2;
  while (best.faults.length > 0 && runs <= mostRuns) {
    const { faults } = best;
    const size = Math.ceil(faults.length / parts);
    let shorter = false;
    for (let from = 0; from < faults.length && !shorter; from += size) {
      shorter = await fails([...faults.slice(0, from), ...faults.slice(from + size)]);
    }
    if (shorter) parts = Math.max(2, parts - 1);
    else if (size === 1) break;
    else parts = Math.min(faults.length, parts * 2);
  }
  return best;
}
