import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { mutants } from "./mutant-list.ts";
import { testSeeds } from "./seeds.ts";
import { shrink } from "./shrink.ts";
import { story, type StoryResult } from "./story.ts";
import { Violation } from "./violation.ts";

const root = join(import.meta.dirname, "..", "..");

describe("sessions, controllers and workers on a simulated Kafka, under faults at every await", () => {
  testSeeds(1, 1001);

  test("a run is a function of its seed", async () => {
    for (const seed of [3, 5, 8]) expect(await story({ seed })).toEqual(await story({ seed }));
  });

  test("does to them what it is there for: faults of every kind, several cutovers, versions", async () => {
    const kinds = new Set<string>();
    let cutovers = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const result = await story({ seed });
      cutovers = Math.max(cutovers, result.cutovers);
      for (const fault of result.faults)
        kinds.add(fault.startsWith("@") ? (fault.split(" ")[1] as string) : (fault.split(" ").at(-1) as string));
    }
    expect(cutovers).toBeGreaterThanOrEqual(3);
    expect([...kinds].sort()).toEqual(
      [
        ...["crash-after", "crash-before", "fail", "fail-after", "freeze", "slow"],
        ...["abort", "fatal", "late", "lost", "twice", "unanswered"],
        ...["forget", "freeze-worker", "kill-controller", "kill-worker", "older", "snapshot", "stop-worker", "trim", "twin"],
      ].sort(),
    );
  });

  test("without faults nothing is violated either", async () => {
    for (let seed = 1; seed <= 20; seed++)
      expect(await story({ seed, only: new Set() })).toMatchObject({ violation: undefined, faults: [] });
  });
});

describe("what is reported", () => {
  test("is a short schedule: the faults without which it does not fail", async () => {
    const all = Array.from({ length: 37 }, (_, i) => `fault ${i}`);
    const needed = ["fault 5", "fault 21", "fault 22"];
    const result = (faults: readonly string[], fails: boolean): StoryResult => ({
      ...{ seed: 1, faults, events: 0, commits: 0, records: 0, cutovers: 0, virtualMs: 0 },
      violation: fails ? new Violation("state", "") : undefined,
    });
    const run = async ({ only }: { only?: ReadonlySet<string> }): Promise<StoryResult> =>
      result(
        all.filter((fault) => only?.has(fault)),
        needed.every((fault) => only?.has(fault)),
      );
    expect((await shrink(result(all, true), run)).faults).toEqual(needed);
  });
});

describe("the planted faults of `npm run mutants`", () => {
  test.each(mutants)("$name: stands in the code as it is", ({ changes }) => {
    for (const { file, find } of changes) expect([file, readFileSync(join(root, file), "utf8").split(find).length]).toEqual([file, 2]);
  });

  test("are sixteen", () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(16);
  });
});
