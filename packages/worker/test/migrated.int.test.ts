import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { checkpointsOf } from "./support/checkpoint-files.ts";
import { failuresOf } from "./support/health.ts";
import { type Deployed, Lab, openings } from "./support/lab.ts";
import { asRecords, asText, expectedTotals, payments } from "./support/payments.ts";
import { until } from "./support/until.ts";

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.open();
});

afterAll(() => lab.close());

const often = { flushIntervalMs: 200, checkpointIntervalMs: 300 };
const digests = (deployed: Deployed): Promise<string[]> =>
  Promise.all([0, 1, 2, 3].map(async (partition) => (await deployed.commitRecord(partition)).digest));

test("a new version begins with the state of the publisher's checkpoints, where they stand, and has the same state after the same records", async () => {
  const all = payments(12_000);
  const first = await lab.deploy({ source: "totals" });
  const v1 = await first.startWorker({ limits: often });
  await first.send(asRecords(all.slice(0, 8_000)));
  await first.committedAll();
  const numbers = await Promise.all([0, 1, 2, 3].map(async (partition) => (await first.commitRecord(partition)).n));
  await until("checkpoints of all of it", () => numbers.every((n, partition) => checkpointsOf(first, partition).includes(n)));

  const wish = {
    source: "totals",
    processor: first.spec.processor,
    version: 2,
    inputs: first.names.inputs,
    start: { checkpointOf: first.id },
  };
  const second = await lab.deploy(wish);
  const v2 = await second.startWorker({ limits: often, checkpointFolder: first.checkpointFolder });
  await first.send(asRecords(all.slice(8_000)));
  await first.committedAll();
  await second.committedAll();
  const opened = [...openings(v2.log).values()];
  expect(opened).toHaveLength(4);
  for (const how of opened) expect(how).toMatch(new RegExp(`^checkpoint \\d+ of ${first.id.replaceAll(".", "\\.")}$`));
  expect(await digests(second)).toEqual(await digests(first));
  // Both have one output topic: it follows, and publishes nothing.
  expect(asText(await first.outputs())).toEqual(expectedTotals(all));

  // Back from its own state: what it began with is not asked for again.
  await v2.worker.stop();
  const again = await second.startWorker({ limits: often, checkpointFolder: first.checkpointFolder });
  await until("its tasks", () => openings(again.log).size === 4);
  for (const how of openings(again.log).values()) expect(how).toMatch(/^local store/);
  await again.worker.stop();
  await v1.worker.stop();
});

test("without a checkpoint it says so, and which deployment it was to begin with", async () => {
  const first = await lab.deploy({ source: "totals" });
  const wish = {
    source: "totals",
    processor: first.spec.processor,
    version: 2,
    inputs: first.names.inputs,
    start: { checkpointOf: first.id },
  };
  const second = await lab.deploy(wish);
  await rm(second.checkpointFolder, { recursive: true, force: true });
  const local = await second.startWorker();
  for (const { code, message } of await failuresOf(local, 4)) {
    expect(code).toBe("CHECKPOINT_MISSING");
    expect(message).toContain(`of ${second.id}: no checkpoint of ${first.id}`);
  }
  await local.worker.stop();
});
