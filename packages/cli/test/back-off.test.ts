import { expect, it } from "vitest";
import { BackOff } from "../src/dev/back-off.ts";

it("a process that keeps dying is started again ever later, up to 10 s, and soon again once it ran well", () => {
  const backOff = new BackOff();
  expect(Array.from({ length: 8 }, () => backOff.next(100))).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  expect(backOff.next(60_000)).toBe(250);
});
