import { setTimeout as sleep } from "node:timers/promises";
import { until } from "../demo/until.ts";
import type { Violations } from "./check.ts";
import { inputs, processorName, reached, type World } from "./world.ts";

/** After the last fault: until everything is processed. */
const convergenceMs = 180_000;
const patienceMs = 120_000;

/** Two deployments of one version: the first publishes, the second follows. */
export async function beginServing(world: World): Promise<readonly [string, string]> {
  const first = await world.deploy();
  for (const slot of [0, 1]) world.startWorker({ deployment: first, slot });
  await reaches(world, first, "Serving");
  const second = await world.deploy();
  world.startWorker({ deployment: second, slot: 0 });
  await reaches(world, second, "CaughtUp");
  return [first, second];
}

export function reaches(world: World, id: string, state: string): Promise<true> {
  return until(`${id} to be ${state}`, patienceMs, async () => {
    const found = (await world.status()).deployments.find((one) => one.id === id);
    if (found?.state === "Failed") throw new Error(`${id} has failed: ${found.reason}`);
    return found?.state === state ? true : undefined;
  });
}

/** What is not processed in time, or has failed for good. */
export async function converge(world: World, deployments: readonly string[]): Promise<Violations> {
  const ends = await world.ends();
  const violations: Violations = [];
  for (const id of deployments) {
    const deadline = Date.now() + convergenceMs;
    for (;;) {
      const records = await world.commitRecords(id).catch(() => []);
      if (records.length > 0 && reached(records, ends)) break;
      const { state, reason } = (await world.status()).deployments.find((one) => one.id === id) ?? {};
      if (Date.now() > deadline) {
        const at = records.map((found) => JSON.stringify(found?.record.position)).join(" ");
        violations.push(
          `${id} (${state}: ${reason ?? ""}) has not processed everything within ${convergenceMs} ms: it is at ${at}, the inputs end at ${inputs.map((topic) => `${topic} ${ends.get(topic)?.join(",")}`).join("; ")}`,
        );
        break;
      }
      await sleep(200);
    }
  }
  const pending = await until("no cutover to be under way", patienceMs, async () => {
    const processor = (await world.status()).processors.find(({ name }) => name === processorName);
    return processor?.pending === undefined && processor?.serving !== undefined ? true : undefined;
  }).then(
    () => [],
    (error: Error) => [error.message],
  );
  return [...violations, ...pending];
}
