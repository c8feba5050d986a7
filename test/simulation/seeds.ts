import { test } from "vitest";
import { story } from "./story.ts";

const atOnce = 100;

/** Tests that run the seeds from ≤ seed < to, a hundred each. In files of their own: those run side by side. */
export function testSeeds(from: number, to: number): void {
  test.each(Array.from({ length: Math.ceil((to - from) / atOnce) }, (_, i) => from + i * atOnce))(
    "seeds from %i on: outputs, states and offsets are those of an undisturbed run, and nothing hangs",
    async (first) => {
      for (let seed = first; seed < Math.min(first + atOnce, to); seed++) {
        const { violation } = await story({ seed });
        if (violation !== undefined) throw new Error(`${violation.message}\nnpm run simulate -- --seed ${seed}`, { cause: violation });
      }
    },
    600_000,
  );
}
