import { expect, test } from "vitest";
import { planFaults } from "./plan.ts";

test("a seed gives the same plan again, another seed another one", () => {
  expect(planFaults(3, 90)).toEqual(planFaults(3, 90));
  expect(planFaults(3, 90)).not.toEqual(planFaults(4, 90));
});

test("every kind of fault comes within a minute, in order, and a shorter run is the beginning of a longer one", () => {
  const plan = planFaults(5, 60);
  expect(new Set(plan.map(({ fault }) => fault.kind))).toEqual(
    new Set(["kill", "freeze", "broker", "controller", "cut", "refuse", "delay", "request", "scale", "cutover"]),
  );
  expect(plan.map(({ atMs }) => atMs)).toEqual(plan.map(({ atMs }) => atMs).toSorted((a, b) => a - b));
  expect(planFaults(5, 20)).toEqual(plan.filter(({ atMs }) => atMs < 20_000));
});
