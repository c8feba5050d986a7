import { type CheckpointManifest, deltaTopicOf, type TaskMeta } from "@reprise/engine";
import { beforeEach, expect, test } from "vitest";
import { truncateDeltas, type Truncation } from "../../src/session/truncate-deltas.ts";
import { RowDigest } from "../../src/state/row-digest.ts";
import { rowKey } from "../../src/state/row-key.ts";
import { encodeMeta } from "../../src/task/task-meta.ts";
import { SimCheckpoints, SimCluster } from "../support/sim-cluster.ts";
import { newMeta } from "../support/task-run.ts";

const id = "p.v1.1";
const deltas = { topic: deltaTopicOf(id), partition: 0 };
let cluster: SimCluster;
let checkpoints: SimCheckpoints;
let truncation: Truncation;
let reads: number[];

beforeEach(() => {
  cluster = new SimCluster(1);
  cluster.createTopic(deltas.topic, 1);
  checkpoints = new SimCheckpoints();
  reads = [];
  const read = checkpoints.read.bind(checkpoints);
  checkpoints.read = (manifest) => {
    reads.push(manifest.n);
    return read(manifest);
  };
  truncation = { checkpoints, offsets: cluster.offsets, deployment: id, partition: 0, wanted: 2, verified: new Set() };
});

async function checkpoint(n: number, deltaFrom: number, more: Partial<TaskMeta> = {}): Promise<CheckpointManifest> {
  const rows = Array.from({ length: n }, (_, i) => ({
    key: rowKey(0, Buffer.from(`key${i}`), undefined),
    value: Buffer.from(`value${i}`),
  }));
  const digest = new RowDigest(0);
  for (const row of rows) digest.add(row);
  const meta: TaskMeta = { ...newMeta(), deployment: id, mode: "live", n, deltaFrom, digest: digest.hex, ...more };
  return await checkpoints.write(
    { deployment: id, partition: 0 },
    n,
    encodeMeta(meta).toString(),
    (async function* () {
      yield rows;
    })(),
  );
}

const start = (): number => cluster.partition(deltas).logStart;
const run = () => truncateDeltas(truncation, () => false);

test("what the oldest kept checkpoint needs stays, and each checkpoint is read back once", async () => {
  await checkpoint(3, 6);
  await checkpoint(7, 14);
  expect([await run(), start(), reads]).toEqual([{ below: 6 }, 6, [7, 3]]);
  await checkpoint(9, 18);
  await checkpoints.remove(await checkpoint(3, 6));
  expect([await run(), start(), reads]).toEqual([{ below: 14 }, 14, [7, 3, 9]]);
});

test("a checkpoint of a smaller n may need more: the lowest of what they need counts", async () => {
  await checkpoint(3, 10);
  await checkpoint(7, 4);
  expect([await run(), start()]).toEqual([{ below: 4 }, 4]);
});

test("nothing goes while there are fewer checkpoints than are to be kept", async () => {
  await checkpoint(7, 14);
  expect([await run(), start()]).toEqual([{ kept: "there are 1 of 2 checkpoints" }, 0]);
});

test.each([
  ["has another digest than its rows", { digest: "f".repeat(32) }, /the rows of checkpoint 7 have the digest/],
  ["is of a task that was building", { mode: "building" }, /checkpoint 7 is of a task that was building/],
] as const)("nothing goes while a kept checkpoint %s, also when it is not the oldest", async (_what, more, reason) => {
  await checkpoint(3, 6);
  await checkpoint(7, 14, more);
  expect([await run(), start()]).toEqual([{ kept: expect.stringMatching(reason) as string }, 0]);
});

test("one that was written again is read again", async () => {
  await checkpoint(3, 6);
  await checkpoint(7, 14);
  await run();
  await checkpoint(7, 20, { digest: "f".repeat(32) });
  expect([await run(), start()]).toEqual([{ kept: expect.stringContaining("checkpoint 7") as string }, 6]);
});

test("it is given up when the task is", async () => {
  await checkpoint(3, 6);
  await checkpoint(7, 14);
  await expect(truncateDeltas(truncation, () => true)).rejects.toThrow("stopped");
  expect(start()).toBe(0);
});
