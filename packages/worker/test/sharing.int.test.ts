import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Lab, openings, type TestRecord } from "./support/lab.ts";
import { readMetrics, sumOf } from "./support/metrics.ts";
import { asRecords, asText, expectedTotals, payments } from "./support/payments.ts";
import { until } from "./support/until.ts";

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.open();
});

afterAll(() => lab.close());

interface Health {
  readonly ok: boolean;
  readonly tasks: readonly { readonly partition: number; readonly position: { readonly [topic: string]: number } }[];
}

const health = async (url: string): Promise<Health> => (await (await fetch(`${url}/healthz`)).json()) as Health;
const tasksOf = async (url: string): Promise<number[]> => (await health(url)).tasks.map(({ partition }) => partition).sort((a, b) => a - b);

describe("two workers of a deployment", () => {
  test("share its tasks; when one is killed the other takes over, and each result comes once", async () => {
    const deployed = await lab.deploy({ source: "totals", workers: 2 });
    const all = payments(12_000);
    const [first, second] = [deployed.startChild({ slot: 0 }), deployed.startChild({ slot: 1 })];
    const [firstUrl, secondUrl] = [await first.url(), await second.url()];
    await deployed.send(asRecords(all.slice(0, 4_000)));
    const shares = await until("two tasks for each", async () => {
      const both = [await tasksOf(firstUrl), await tasksOf(secondUrl)];
      return both.every((tasks) => tasks.length === 2) && both;
    });
    expect(shares.flat().sort((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    await deployed.committedAll();

    // In the middle of more work.
    const sending = deployed.send(asRecords(all.slice(4_000)));
    const [before] = shares as [number[], number[]];
    await until("more", async () => (await deployed.committedTotal()) >= 4_500);
    await first.child.kill();
    await sending;
    await until("all tasks at the second", async () => (await tasksOf(secondUrl)).length === 4);
    await deployed.committedAll();
    expect(await tasksOf(secondUrl)).toEqual([0, 1, 2, 3]);
    // It never had a local store of these.
    const opened = openings(second.log());
    for (const partition of before) expect(opened.get(partition)).toMatch(/^(empty state|checkpoint \d+|local store) \+ \d+ deltas$/);
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
    expect((await health(secondUrl)).ok).toBe(true);
  });
});

describe("a worker with a small cache", () => {
  test("has the same totals when the state is far larger than the cache", async () => {
    const deployed = await lab.deploy({ source: "totals" });
    const all = payments(16_000, { accounts: 4_000 });
    const cached = 40;
    // Small batches and many commits, so that rows go out and come back all the time.
    const { worker } = await deployed.startWorker({ limits: { maxCachedKeysPerTask: cached, batchRecords: 100, maxUnsavedRows: 200 } });
    await deployed.send(asRecords(all));
    await deployed.committedAll();
    expect(asText(await deployed.outputs())).toEqual(expectedTotals(all));
    const metrics = await until("sampled counters", async () => {
      const seen = await readMetrics(worker.url);
      return sumOf(seen, "reprise_records_total") === all.length && seen;
    });
    // Nearly every record's key had been evicted since it was there last: four tasks cache 40 of 4,000 keys each.
    expect(sumOf(metrics, "reprise_cache_misses_total")).toBeGreaterThan(8_000);
    await worker.stop();
  });
});

describe("a processor of two inputs", () => {
  test("gives the same results in a replay as it gave live, when nothing came too late to be merged", async () => {
    const live = await lab.deploy({ source: "merged", inputs: [`orders-${Date.now()}`, `payments-${Date.now()}`] });
    const [orders, paid] = live.names.inputs as [string, string];
    const { worker } = await live.startWorker();
    const [ordersSent, paymentsSent]: string[][] = [[], []];
    // Time stamps of a moment ahead: a record waits for the other input until then, however slow this machine is just now.
    const aheadMs = 3_000;
    for (let round = 0; round < 40; round++) {
      const records = Array.from({ length: 25 }, (_, i): TestRecord => {
        const seq = round * 25 + i;
        const topic = (Math.imul(seq + 1, 0x9e3779b1) >>> 0) % 3 === 0 ? paid : orders;
        (topic === paid ? paymentsSent : ordersSent)?.push(String(seq));
        return { topic, key: `order-${seq % 17}`, value: { seq }, timestampMs: Date.now() + aheadMs + (seq % 5) };
      });
      await lab.send(orders, records);
    }
    await live.committedAll();
    const metrics = await readMetrics(worker.url);
    expect(sumOf(metrics, "reprise_late_merged_records_total")).toBe(0);
    await worker.stop();

    const replay = await lab.deploy({ source: "merged", inputs: live.names.inputs });
    // Other batches, other caches, and everything there from the beginning.
    const again = await replay.startWorker({ limits: { batchRecords: 7, maxCachedKeysPerTask: 3 } });
    await replay.committedAll();
    await again.worker.stop();
    const results = asText(await live.outputs());
    expect(results.flat()).toHaveLength(1_000);
    expect(asText(await replay.outputs())).toEqual(results);
    expect((ordersSent as string[]).length + (paymentsSent as string[]).length).toBe(1_000);
    // Both inputs are in it, by turns.
    expect(results.flat().filter((line) => line.includes('"p')).length).toBe((paymentsSent as string[]).length);
  });

  test("counts a record that comes after its turn, and processes it at once", async () => {
    const deployed = await lab.deploy({
      source: "merged",
      inputs: [`late-orders-${Date.now()}`, `late-payments-${Date.now()}`],
      partitions: 1,
    });
    const [orders, paid] = deployed.names.inputs as [string, string];
    const { worker } = await deployed.startWorker();
    const now = Date.now();
    await lab.send(orders, [{ key: "a", value: { seq: 1 }, timestampMs: now - 10_000 }]);
    await deployed.committedAll();
    await lab.send(paid, [{ key: "a", value: { seq: 2 }, timestampMs: now - 60_000 }]);
    await deployed.committedAll();
    await until("it to be counted", async () => sumOf(await readMetrics(worker.url), "reprise_late_merged_records_total") === 1);
    expect(
      (await deployed.outputs()).flat().map(({ value }) => (JSON.parse(value as string) as { trail: string }).trail.slice(0, 2)),
    ).toEqual(["o1", "p2"]);
    await worker.stop();
  });
});
