import { verifyDeployment, type VerifyDeploymentOptions } from "@reprise/worker";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { type Deployed, failureOf, Lab } from "./support/lab.ts";
import { asRecords, payments } from "./support/payments.ts";
import { readingRecords, readings } from "./support/readings.ts";
import { until } from "./support/until.ts";

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.open();
});

afterEach(() => lab.settle());
afterAll(() => lab.close());

const often = { flushIntervalMs: 200, checkpointIntervalMs: 300, batchRecords: 64 };

function optionsOf(deployed: Deployed, given: Partial<VerifyDeploymentOptions> = {}): VerifyDeploymentOptions {
  const { bootstrap, artifactFolder, checkpointFolder } = deployed.options();
  return { bootstrap, deployment: deployed.id, artifactFolder, checkpointFolder, from: "start", folder: lab.folder, ...given };
}

describe("a deployment whose results are a function of the log", () => {
  test("is repeated, from its start and from a checkpoint, whatever it went through, and while it goes on", async () => {
    const deployed = await lab.deploy({ source: "readings" });
    const all = readings(6_000);
    let worker = deployed.startChild({ limits: often });
    for (let part = 0; part < 3; part++) {
      await deployed.send(readingRecords(all.slice(part * 1_500, (part + 1) * 1_500)));
      await until("some of it", async () => (await deployed.committedTotal()) > part * 1_500 + 200);
      await worker.child.kill();
      worker = deployed.startChild({ limits: often });
    }
    await deployed.committedAll();
    await until("checkpoints", async () => worker.log().some(({ msg }) => msg === "checkpoint is durable"));
    const sending = deployed.send(readingRecords(all.slice(4_500)));
    const progress: number[] = [];
    for (const from of ["start", "checkpoint"] as const) {
      const found = await verifyDeployment(optionsOf(deployed, { from, onProgress: (_, __, records) => progress.push(records) }));
      expect(found).toMatchObject({ deployment: deployed.id, version: 1 });
      expect(found.verdicts.map(({ partition, variant }) => `${partition} ${variant}`)).toEqual(
        [0, 1, 2, 3].flatMap((partition) => [`${partition} large`, `${partition} small`]),
      );
      for (const verdict of found.verdicts) {
        expect(verdict).not.toHaveProperty("mismatch");
        expect(verdict.upTo).toBeGreaterThanOrEqual(verdict.from);
        if (from === "start") {
          expect(verdict.records).toBeGreaterThan(500);
          expect(verdict.compared).toBeGreaterThan(3);
        }
      }
    }
    expect(progress.length).toBeGreaterThan(0);
    await sending;
  });
});

describe("a deployment with a clock in its handler", () => {
  test("is not repeated: which commit, which row and which record", async () => {
    const deployed = await lab.deploy({ source: "careless", partitions: 2 });
    const all = payments(3_000);
    deployed.startChild({ limits: often });
    await deployed.send(asRecords(all));
    await deployed.committedAll();
    const { verdicts } = await verifyDeployment(optionsOf(deployed));
    const differing = verdicts.filter(({ mismatch }) => mismatch !== undefined);
    // The one partition of that account, with both shapes, at the same commit.
    expect(differing).toHaveLength(2);
    expect(new Set(differing.map(({ partition }) => partition)).size).toBe(1);
    const [partition] = differing.map((verdict) => verdict.partition) as [number];
    const records = (await lab.read(deployed.input))[partition] ?? [];
    const own = records.filter(({ key }) => key === "account-7");
    for (const { mismatch } of differing) {
      expect(mismatch).toMatchObject({ what: "state", n: differing[0]?.mismatch?.n });
      const [row, ...others] = mismatch?.rows ?? [];
      expect(others).toEqual([]);
      if (row?.record === undefined) throw new Error("no row with a record");
      expect(row).toMatchObject({ slot: "last", key: Buffer.from("account-7") });
      expect(row.decided).toMatchObject({ atMs: expect.any(Number) });
      expect((row.decided as { atMs: number }).atMs).not.toBe((row.replayed as { atMs: number }).atMs);
      expect(row.record).toMatchObject({ topic: deployed.input, partition });
      // The commit's own first record of the account, and the 21st of it or one before in the same commit.
      const { offset } = row.record;
      expect(own.map((record) => record.offset)).toContain(offset);
      expect(offset).toBeLessThanOrEqual(own[20]?.offset as number);
      const upTo = mismatch?.upTo[deployed.input] as number;
      expect(upTo).toBeGreaterThan(own[20]?.offset as number);
    }
  });
});

describe("what can't be verified is refused", () => {
  test("a task that there is not, one that has committed nothing, a deployment that nobody knows", async () => {
    const deployed = await lab.deploy({ source: "totals" });
    const refused = async (given: Partial<VerifyDeploymentOptions>) =>
      failureOf(await verifyDeployment(optionsOf(deployed, given)).catch((error: unknown) => error));
    expect(await refused({ partitions: [4] })).toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringContaining("no task 4") as string,
    });
    expect(await refused({})).toMatchObject({ code: "NOT_SERVING", message: expect.stringContaining("committed nothing") as string });
    expect(await refused({ deployment: "nobody.v1.1" })).toMatchObject({ code: "DEPLOYMENT_UNKNOWN" });
  });
});
