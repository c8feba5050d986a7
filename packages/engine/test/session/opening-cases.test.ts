import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { openingCaseOf, openingCases, type OpeningFacts } from "../../src/session/opening-cases.ts";

const all: readonly OpeningFacts[] = (["none", "building", "live"] as const).flatMap((record) =>
  [false, true].flatMap((decidedBefore) =>
    [false, true].flatMap((fromStart) => [false, true].map((migrates) => ({ record, decidedBefore, fromStart, migrates }))),
  ),
);

describe("the decision table of opening", () => {
  test("has a row for whatever is known, and no row that nothing leads to", () => {
    expect(all).toHaveLength(24);
    expect(new Set(all.map(openingCaseOf))).toEqual(new Set(openingCases));
  });

  test.each(all)("$record, decided before: $decidedBefore, from start: $fromStart, migrates: $migrates", (facts) => {
    const { record, decidedBefore, fromStart, migrates } = facts;
    const found = openingCaseOf(facts);
    // A decided commit is never given up, and never derived from nothing unless the deployment began with nothing.
    if (record === "live") {
      expect([found.mode, found.otherwise]).toEqual(["live", "DELTAS_LOST"]);
      expect(found.bases).toEqual(fromStart ? ["local", "checkpoints", "empty"] : ["local", "checkpoints"]);
    } else if (decidedBefore) expect([found.bases, found.otherwise]).toEqual([[], "DELTAS_LOST"]);
    // Nothing was decided: what is there locally was never public.
    else if (record === "none" && fromStart) expect([found.mode, found.bases]).toEqual(["live", ["empty"]]);
    else {
      expect(found.mode).toBe("building");
      expect(found.bases).toEqual(["local", "checkpoints", migrates ? "older" : "empty"]);
    }
  });

  test("stands in docs/DESIGN.md row by row, in its order", () => {
    const design = readFileSync(new URL("../../../../docs/DESIGN.md", import.meta.url), "utf8");
    const places = openingCases.map(({ name }) => design.indexOf(`| ${name} |`));
    expect(places.every((place) => place > 0)).toBe(true);
    expect(places).toEqual(places.toSorted((a, b) => a - b));
  });
});
