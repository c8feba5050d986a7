import { expect, test } from "vitest";
import { torture } from "./torture.ts";

test("a minute of kills, freezes, broken connections, broker restarts, scaling and cutovers leaves what an undisturbed run leaves", async () => {
  const happened: string[] = [];
  const result = await torture({ seconds: 60, seed: 1, log: (line) => happened.push(line) });
  expect(result.examples, `${happened.join("\n")}\nkept in ${result.folder}`).toEqual([]);
  expect(result.kills).toBeGreaterThanOrEqual(3);
  expect(result.freezes).toBeGreaterThanOrEqual(1);
  expect(result.brokerRestarts).toBeGreaterThanOrEqual(1);
  expect(result.records).toBeGreaterThan(5_000);
  expect(result.outputs).toBeGreaterThan(result.records);
});
