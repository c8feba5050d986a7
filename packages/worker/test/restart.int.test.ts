import { randomBytes } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { localCheckpointStore } from "@reprise/checkpoint";
import { deltaTopicOf } from "@reprise/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkpointsOf, damageCheckpoint } from "./support/checkpoint-files.ts";
import { failuresOf } from "./support/health.ts";
import { type Deployed, Lab, openings } from "./support/lab.ts";
import { asRecords, asText, expectedTotals, payments } from "./support/payments.ts";
import { eventsAsText, expectedEvents, readingRecords, readings } from "./support/readings.ts";
import { until } from "./support/until.ts";

let lab: Lab;

/** One bit in every few bytes of the manifest, which says which files count. */
function flipBits(folder: string): void {
  const manifest = join(folder, readdirSync(folder).find((file) => file.startsWith("MANIFEST-")) as string);
  const content = readFileSync(manifest);
  for (let at = 10; at < content.length; at += 40) content[at] = (content[at] as number) ^ 4;
  writeFileSync(manifest, content);
}

const loseCurrent = (folder: string): void => rmSync(join(folder, "CURRENT"));

beforeAll(async () => {
  lab = await Lab.open();
});

afterAll(() => lab.close());

/** Rows reach the local store, and checkpoints, often enough to be of use within a test; and deltas that these don't need go at once. */
const often = { flushIntervalMs: 300, checkpointIntervalMs: 400, truncationIntervalMs: 0, batchRecords: 64 };

describe("a worker that is killed in the middle of its work", () => {
  test("goes on from its local store and the deltas, each result once", async () => {
    const deployed = await lab.deploy({ source: "totals" });
    const all = payments(32_000);
    const openedFrom: string[] = [];
    let killedAtWork = 0;
    for (let life = 0; life < 4; life++) {
      const worker = deployed.startChild({ limits: often });
      // Records go on to come while it works, so the kill meets an open transaction.
      const sending = deployed.send(asRecords(all.slice(life * 8_000, (life + 1) * 8_000)));
      if (life === 3) {
        await sending;
        await deployed.committedAll();
      } else await until("some of what came", async () => (await deployed.committedTotal()) >= life * 8_000 + 1_000);
      await worker.child.kill();
      await sending;
      if (life > 0) openedFrom.push(...openings(worker.log()).values());
      if ((await committedRecords(deployed)) < (life + 1) * 8_000) killedAtWork++;
    }
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
    expect(killedAtWork).toBeGreaterThan(0);
    expect(openedFrom).toHaveLength(12);
    // A task that was killed before its first row was written begins again at nothing, and has all its deltas.
    for (const how of openedFrom) expect(how).toMatch(/^(local store|empty state \+ \d+ deltas|local store \+ \d+ deltas)$/);
    expect(openedFrom.some((how) => how.startsWith("local store +"))).toBe(true);
  });

  test.each(["rocksdb", "leveldb"] as const)("is restored when its %s files were damaged while it was down", async (stateEngine) => {
    const deployed = await lab.deploy({ source: "totals", partitions: 3 });
    const all = payments(9_000);
    const restored: string[] = [];
    const damages = [undefined, flipBits, loseCurrent];
    for (const [life, damage] of damages.entries()) {
      const worker = deployed.startChild({ stateEngine, limits: often });
      await deployed.send(asRecords(all.slice(life * 3_000, (life + 1) * 3_000)));
      await deployed.committedAll();
      const url = await worker.url();
      expect(await (await fetch(`${url}/healthz`)).json()).toMatchObject({ stateEngine });
      if (damage !== undefined) {
        restored.push(...openings(worker.log()).values());
        const metrics = await (await fetch(`${url}/metrics`)).text();
        expect(metrics.match(/^reprise_stores_dropped_total\{.*reason="STATE_CORRUPT".*\} 1$/gm)).toHaveLength(3);
      }
      await until("checkpoints", () => [0, 1, 2].every((task) => checkpointsOf(deployed, task).length > 0));
      await worker.child.kill();
      for (const task of [0, 1, 2]) damages[life + 1]?.(join(deployed.stateFolder, deployed.id, "0", String(task), stateEngine));
    }
    expect(asText(await deployed.outputs()).slice(0, 3)).toEqual(expectedTotals(all, 3));
    expect(restored).toHaveLength(6);
    for (const how of restored) expect(how).toMatch(/^(checkpoint|empty state)/);
  });

  test("is restored when it is started with another state engine", async () => {
    const deployed = await lab.deploy({ source: "totals", partitions: 2 });
    const all = payments(4_000);
    for (const [life, stateEngine] of (["rocksdb", "leveldb", "rocksdb", "memory"] as const).entries()) {
      const { worker, log } = await deployed.startWorker({ stateEngine, limits: often });
      await deployed.send(asRecords(all.slice(life * 1_000, (life + 1) * 1_000)));
      await deployed.committedAll();
      await worker.stop();
      const dropped = log.filter(({ msg }) => msg === "local store dropped").map(({ reason }) => reason);
      expect(dropped).toEqual(life === 1 || life === 2 ? ["STATE_OTHER_ENGINE", "STATE_OTHER_ENGINE"] : []);
    }
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all, 2));
  });

  test("fires each timer and window once, with all corrections, whatever it was restored from", async () => {
    const deployed = await lab.deploy({ source: "readings" });
    const all = readings(6_000);
    const lives = [
      { records: 2_000, limits: often, afterwards: () => undefined },
      { records: 2_000, limits: often, afterwards: () => rmSync(deployed.stateFolder, { recursive: true }) },
      { records: 2_000, limits: often, afterwards: () => undefined },
    ];
    let sent = 0;
    for (const { records, limits, afterwards } of lives) {
      const worker = deployed.startChild({ limits });
      // Two thirds, so that the kill leaves something undone; all of it in the last life.
      const first = all.slice(sent, sent + records);
      sent += records;
      await deployed.send(readingRecords(first));
      if (sent === all.length) await deployed.committedAll();
      else {
        await until("most of it", async () => (await deployed.committedTotal()) >= sent - records / 2);
        await until("a checkpoint", () => checkpointsOf(deployed, 0).length > 0);
      }
      await worker.child.kill();
      afterwards();
    }
    const expected = expectedEvents(all);
    expect(eventsAsText(await deployed.outputs())).toEqual(expected);
    // The readings are such that all of this happens.
    const count = (part: string): number => expected.flat().filter((line) => line.includes(part)).length;
    expect(count('"what":"quiet"')).toBeGreaterThan(20);
    expect(count('"revision":1')).toBeGreaterThan(200);
    expect(count('"revision":3')).toBeGreaterThan(20);
  });
});

describe("a worker without its local store", () => {
  const all = payments(9_000);
  let deployed: Deployed;

  beforeAll(async () => {
    deployed = await lab.deploy({ source: "totals" });
  });

  /** One life: takes `count` more records, and is killed when they are committed and each task has checkpoints of two commits of this life. */
  async function live(from: number, to: number): Promise<Map<number, string>> {
    const before = [0, 1, 2, 3].map((partition) => checkpointsOf(deployed, partition)[0] ?? -1);
    const worker = deployed.startChild({ limits: often });
    for (let sent = from; sent < to; ) {
      const next = Math.min(to, sent + 500);
      await deployed.send(asRecords(all.slice(sent, next)));
      await deployed.committedAll();
      sent = next;
      // A checkpoint is of a commit: one in the middle, so that what is sent after it leads to another one.
      const wanted = sent === to ? 2 : sent >= (from + to) / 2 ? 1 : 0;
      const reached = (partition: number): boolean =>
        checkpointsOf(deployed, partition).filter((n) => n > (before[partition] as number)).length >= wanted;
      await until(`${wanted} checkpoints of each task`, () => [0, 1, 2, 3].every(reached));
    }
    await worker.child.kill();
    return openings(worker.log());
  }

  test("restores from the newest checkpoint and the deltas after it", async () => {
    await live(0, 3_000);
    rmSync(deployed.stateFolder, { recursive: true });
    const newest = [0, 1, 2, 3].map((partition) => checkpointsOf(deployed, partition)[0] as number);
    const opened = await live(3_000, 6_000);
    for (const [partition, n] of newest.entries())
      expect(opened.get(partition)).toMatch(new RegExp(`^checkpoint ${n}( \\+ \\d+ deltas)?$`));
    // What the kept checkpoints don't need is gone, and none of what they need.
    const deltas = deltaTopicOf(deployed.id);
    const starts = await lab.admin.listOffsets(
      [0, 1, 2, 3].map((partition) => ({ topic: deltas, partition })),
      "earliest",
    );
    for (const { partition, offset } of starts) {
      expect(offset).toBeGreaterThan(0);
      expect(offset).toBeLessThanOrEqual(Math.min(...(await deltasFrom(deployed, partition))));
    }
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all.slice(0, 6_000)));
  });

  test("restores from the one before when the newest is damaged", async () => {
    rmSync(deployed.stateFolder, { recursive: true });
    const older = [0, 1, 2, 3].map((partition) => {
      const [newest, before] = checkpointsOf(deployed, partition) as [number, number];
      damageCheckpoint(deployed, partition, newest);
      return before;
    });
    const opened = await live(6_000, 9_000);
    for (const [partition, n] of older.entries()) expect(opened.get(partition)).toMatch(new RegExp(`^checkpoint ${n} \\+ \\d+ deltas$`));
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
  });

  test("refuses to go on when nothing leads to what was decided, and says which task of which deployment", async () => {
    rmSync(deployed.stateFolder, { recursive: true });
    rmSync(deployed.checkpointFolder, { recursive: true });
    const deltas = deltaTopicOf(deployed.id);
    const ends = await lab.admin.endOffsets(deltas);
    await lab.admin.deleteRecords(ends.map((beforeOffset, partition) => ({ topic: deltas, partition, beforeOffset })));
    const committed = await deployed.committed();
    const local = await deployed.startWorker();
    for (const { partition, code, message } of await failuresOf(local, 4)) {
      expect(code).toBe("DELTAS_LOST");
      expect(message).toMatch(
        new RegExp(`task ${partition} of ${deployed.id}: no base leads to commit \\d+ \\(empty state: delta 1 is missing\\)`),
      );
    }
    await local.worker.stop();
    // Nothing was decided anew.
    expect(await deployed.committed()).toEqual(committed);
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
  });
});

test("a row that is larger than a record may be goes through deltas in pieces, and comes back whole", async () => {
  const deployed = await lab.deploy({ source: "hoard", partitions: 1 });
  // A quarter of a piece is noise, so that compression does not make it small.
  const pieces = Array.from({ length: 9 }, (_, seq) => ({ seq, text: randomBytes(150_000).toString("hex").padEnd(600_000, "-") }));
  const send = (some: typeof pieces): Promise<void> => deployed.send(some.map((value) => ({ key: "one", value })));
  const first = deployed.startChild();
  for (const piece of pieces.slice(0, 6)) {
    await send([piece]);
    await deployed.committedAll();
  }
  await first.child.kill();
  rmSync(deployed.stateFolder, { recursive: true });
  const second = await deployed.startWorker();
  await send(pieces.slice(6));
  await deployed.committedAll();
  expect(openings(second.log).get(0)).toMatch(/^empty state \+ \d+ deltas$/);
  await second.worker.stop();
  let text = "";
  const expected = pieces.map((piece) => {
    text += piece.text;
    let sum = 0;
    for (let i = 0; i < text.length; i++) sum = (sum * 31 + text.charCodeAt(i)) % 2_147_483_647;
    return `one ${JSON.stringify({ seq: piece.seq, characters: text.length, sum })}`;
  });
  expect(asText(await deployed.outputs())).toEqual([expected]);
});

describe("a worker that is told to stop", () => {
  test("commits what is under way, leaves no transaction open, and is back quickly", async () => {
    const deployed = await lab.deploy({ source: "totals" });
    const all = payments(12_000);
    const first = await deployed.startWorker();
    await deployed.send(asRecords(all.slice(0, 6_000)));
    // Of every task: they are opened one by one.
    await until("the first records", async () => (await deployed.committed()).every((offset) => offset > 0));
    await first.worker.stop();
    expect(await first.worker.done).toBe("stopped");
    for (const topic of [deployed.output, deltaTopicOf(deployed.id)]) {
      // At once, not when a transaction has timed out.
      expect(await lab.admin.endOffsets(topic, "last-stable")).toEqual(await lab.admin.endOffsets(topic, "high-watermark"));
    }
    // What is committed is what was written: nothing is read twice and nothing was dropped.
    const done = (await deployed.outputs()).flat().length;
    expect(done).toBe(await committedRecords(deployed));

    await deployed.send(asRecords(all.slice(6_000)));
    const started = performance.now();
    const second = await deployed.startWorker();
    await until("a commit of the second life", async () => (await committedRecords(deployed)) > done);
    // Sooner than after the 10 s that the group, and a transaction, would have waited for the first one.
    expect(performance.now() - started).toBeLessThan(10_000);
    await deployed.committedAll();
    // Everything was in the local store when it stopped.
    expect([...openings(second.log).values()]).toEqual(["local store", "local store", "local store", "local store"]);
    await second.worker.stop();
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
  });
});

/** Where the deltas begin that a task's checkpoints need. */
async function deltasFrom(deployed: Deployed, partition: number): Promise<number[]> {
  const checkpoints = localCheckpointStore({ folder: deployed.checkpointFolder });
  const kept = await checkpoints.list({ deployment: deployed.id, partition });
  return kept.map(({ meta }) => (JSON.parse(meta) as { deltaFrom: number }).deltaFrom);
}

/** Records below the committed offsets: the input topics have no other entries. */
const committedRecords = (deployed: Deployed): Promise<number> => deployed.committedTotal();
