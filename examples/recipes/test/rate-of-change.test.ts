import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";
import { Random } from "../../../test/support/random.ts";
import rateOfChange from "../src/rate-of-change.ts";

test("rates are those between neighbours in time", () => {
  const t = testProcessor(rateOfChange);
  const read = (seconds: number, litres: number): void => t.when.levels("t-1", { at: seconds * 1_000, litres }, seconds * 1_000);
  read(0, 100);
  read(30, 90); // −20 l/min
  read(38, 86);
  read(36, 87); // overtaken: −30 until then, and −30 again after it
  read(36, 500); // the same moment again
  t.when.timePasses(60_000);
  expect(t.then.rates().map(({ value }) => value)).toEqual([
    { at: 30_000, litresPerMinute: -20 },
    { at: 36_000, litresPerMinute: -30 },
    { at: 38_000, litresPerMinute: -30 },
  ]);
  t.checkReplay();
});

test("rates times durations add up to what the level has changed", () => {
  const random = new Random(9);
  const made = Array.from({ length: 500 }, (_, i) => ({ at: i * 4_000 + random.below(4_000), litres: random.below(1_000) }));
  const arriving = made.map((level) => ({ level, comes: level.at + random.below(10_000) })).sort((a, b) => a.comes - b.comes);
  const t = testProcessor(rateOfChange);
  for (const { level } of arriving) t.when.levels("t-1", level, level.at);
  t.when.timePasses(3_000_000);
  const rates = t.then.rates().map(({ value }) => value);
  expect(rates.map(({ at }) => at)).toEqual(made.slice(1).map(({ at }) => at));
  let litres = made[0]?.litres ?? 0;
  rates.forEach(({ litresPerMinute }, i) => {
    litres += (litresPerMinute * ((made[i + 1]?.at ?? 0) - (made[i]?.at ?? 0))) / 60_000;
    expect(litres).toBeCloseTo(made[i + 1]?.litres ?? 0, 6);
  });
  t.checkReplay();
});
