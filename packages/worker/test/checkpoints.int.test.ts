import { rmSync } from "node:fs";
import { openCheckpointStore } from "@reprise/checkpoint";
import { statusTopic, verifyCheckpoint, type WorkerAnnouncement } from "@reprise/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type S3Server, startS3Server } from "../../../test/support/s3-server.ts";
import { type Deployed, Lab, openings } from "./support/lab.ts";
import { asRecords, asText, expectedTotals, payments } from "./support/payments.ts";
import { until } from "./support/until.ts";

let lab: Lab;
let server: S3Server;

beforeAll(async () => {
  [lab, server] = await Promise.all([Lab.open(), startS3Server()]);
});

afterAll(async () => {
  await lab.close();
  await server.stop();
});

const often = { flushIntervalMs: 300, checkpointIntervalMs: 400, batchRecords: 64 };
const partitions = [0, 1, 2, 3];

async function metric(url: string, pattern: RegExp): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => pattern.test(line))
    .reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** What the worker said of itself last. */
async function announced(deployment: string): Promise<WorkerAnnouncement | undefined> {
  const said = (await lab.read(statusTopic)).flat().filter(({ key }) => key?.toString() === `worker/${deployment}/0`);
  const value = said.at(-1)?.value;
  return value === undefined || value === null ? undefined : (JSON.parse(value.toString()) as WorkerAnnouncement);
}

describe("a worker with its checkpoints in S3", () => {
  const all = payments(12_000);
  let deployed: Deployed;
  let store: ReturnType<typeof openCheckpointStore>;
  let given: { readonly checkpointFolder: string; readonly limits: typeof often };

  beforeAll(async () => {
    deployed = await lab.deploy({ source: "totals" });
    given = { checkpointFolder: server.location("worker"), limits: often };
    store = openCheckpointStore(given.checkpointFolder);
  });

  const newest = (partition: number): Promise<number> =>
    store.list({ deployment: deployed.id, partition }).then(([first]) => first?.n ?? -1);

  /** Every task has one of its last commit, and each that is there verifies. */
  async function upToDate(): Promise<void> {
    await until("checkpoints of the last commits", async () => {
      const last = await Promise.all(
        partitions.map(async (partition) => [await newest(partition), (await deployed.commitRecord(partition)).n]),
      );
      return last.every(([have, want]) => have === want);
    });
    for (const partition of partitions)
      for (const manifest of await store.list({ deployment: deployed.id, partition })) {
        const { digest } = await verifyCheckpoint(store, manifest);
        const record = await deployed.commitRecord(partition);
        if (manifest.n === record.n) expect(digest).toBe(record.digest);
      }
  }

  test("extends them by what changed, and is made out of them on another machine", async () => {
    const { worker, log } = await deployed.startWorker(given);
    for (let sent = 0; sent < 6_000; sent += 1_000) {
      await deployed.send(asRecords(all.slice(sent, sent + 1_000)));
      await deployed.committedAll();
      await upToDate();
    }
    const durable = log.filter(({ msg }) => msg === "checkpoint is durable");
    // One whole copy of each task, then changes.
    expect(durable.filter(({ kind }) => kind === "whole")).toHaveLength(4);
    expect(durable.filter(({ kind }) => kind === "changes").length).toBeGreaterThan(15);
    expect(await metric(worker.url, /^reprise_checkpoint_bytes_total\{.*kind="changes"/)).toBeGreaterThan(0);
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all.slice(0, 6_000)));
    await worker.stop();
    rmSync(deployed.stateFolder, { recursive: true });
  });

  test("goes on while the store is away, says so, and has checkpoints again when it is back", async () => {
    const numbers = await Promise.all(partitions.map(newest));
    const { worker, log } = await deployed.startWorker(given);
    await until("its tasks", () => openings(log).size === 4);
    for (const [partition, how] of openings(log)) expect(how).toMatch(new RegExp(`^checkpoint ${numbers[partition]}( \\+ \\d+ deltas)?$`));
    await server.kill();
    for (let sent = 6_000; sent < 9_000; sent += 1_000) {
      await deployed.send(asRecords(all.slice(sent, sent + 1_000)));
      await deployed.committedAll();
    }
    await until(
      "failures of each task",
      async () => (await metric(worker.url, /^reprise_checkpoint_failures_total\{.*CHECKPOINT_FAILED/)) >= 4,
    );
    await until("announced failures", () => announced(deployed.id).then((said) => said?.checkpointFailures?.length === 4));
    await server.restart();
    await upToDate();
    await until("that it is over", () =>
      announced(deployed.id).then((said) => said !== undefined && said.checkpointFailures === undefined),
    );
    // What was missed is one step: deltas were kept, no whole copy was needed.
    expect(log.filter(({ msg, kind }) => msg === "checkpoint is durable" && kind === "whole")).toEqual([]);
    await worker.stop();
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all.slice(0, 9_000)));
  });

  test("killed and opened from its local store, it goes on from the checkpoint that is there", async () => {
    const killed = deployed.startChild(given);
    await deployed.send(asRecords(all.slice(9_000, 10_500)));
    await deployed.committedAll();
    await killed.child.kill();
    const { worker, log } = await deployed.startWorker(given);
    await deployed.send(asRecords(all.slice(10_500)));
    await deployed.committedAll();
    for (const how of openings(log).values()) expect(how).toMatch(/^local store/);
    await upToDate();
    expect(log.filter(({ msg, kind }) => msg === "checkpoint is durable" && kind === "whole")).toEqual([]);
    await worker.stop();
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
  });
});
