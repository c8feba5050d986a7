import { groupOf } from "@reprise/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Deployed, Lab } from "./support/lab.ts";
import { copies, type Event, eventCount, expectExact, type Payment, payments } from "../../../test/support/rekeyed-payments.ts";
import { until } from "./support/until.ts";

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.open();
});

afterAll(() => lab.close());

/** Partitions of a source may be apart by what the topic declares as its disorder, 10 s, and by no more: so much at a time. */
async function sendAll(deployed: Deployed, all: readonly Payment[]): Promise<void> {
  for (let from = 0; from < all.length; from += 100)
    await deployed.send(all.slice(from, from + 100).map(({ account, ...value }) => ({ key: account, value })));
}

/** What came out, by shop, in its order. */
async function eventsOf(deployed: Deployed): Promise<Map<string, Event[]>> {
  const byShop = new Map<string, Event[]>();
  for (const record of (await deployed.outputs()).flat()) {
    const shop = String(record.key);
    byShop.set(shop, [...(byShop.get(shop) ?? []), JSON.parse(String(record.value)) as Event]);
  }
  return byShop;
}

async function arrived(deployed: Deployed, all: readonly Payment[]): Promise<void> {
  await until(
    "all events",
    async () => (await deployed.outputs()).reduce((sum, records) => sum + records.length, 0) >= eventCount(all),
    60_000,
  );
}

describe("a processor that rekeys its input", () => {
  test("counts every record once under each of its new keys, and closes windows by the source's time", async () => {
    const deployed = await lab.deploy({ source: "rekeyed" });
    const all = payments(6_000);
    await sendAll(deployed, all);
    const { worker } = await deployed.startWorker();
    await arrived(deployed, all);
    await worker.stop();
    expectExact(await eventsOf(deployed), all);
  });

  test("loses and doubles nothing when its worker is killed again and again", async () => {
    const deployed = await lab.deploy({ source: "rekeyed" });
    const all = payments(24_000);
    for (let life = 0; life < 4; life++) {
      const worker = deployed.startChild({ limits: { flushIntervalMs: 300, checkpointIntervalMs: 400, batchRecords: 64 } });
      const sending = sendAll(deployed, all.slice(life * 6_000, (life + 1) * 6_000));
      if (life === 3) {
        await sending;
        await arrived(deployed, all);
      } else {
        const enough = copies(all.slice(0, life * 6_000)) + 500;
        await until("some of what came", async () => (await deployed.outputs()).flat().length >= enough, 60_000);
      }
      await worker.child.kill();
      await sending;
    }
    expectExact(await eventsOf(deployed), all);
  });

  test("is replayed by a further deployment into internal topics of its own, muted, until it is live", async () => {
    const first = await lab.deploy({ source: "rekeyed" });
    const all = payments(3_000);
    await sendAll(first, all);
    const one = await first.startWorker();
    await arrived(first, all);
    const second = await lab.deploy({
      source: "rekeyed",
      processor: first.names.processor,
      version: 2,
      inputs: first.names.inputs,
      output: `${first.output}-v2`,
    });
    const two = await second.startWorker();
    const { topic, partitions } = second.spec.inputs[0] as { topic: string; partitions: number };
    const asked = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }));
    const state = async () => {
      const committed = await lab.groupOffsets.committed(groupOf(second.id), asked);
      return committed.map(({ metadata }) => JSON.parse(metadata) as { mode: string; outputs: string });
    };
    await until("all tasks live", async () => (await state()).filter(({ mode }) => mode === "live").length === partitions);
    const routed = async () => (await lab.read(topic)).flat().filter(({ value }) => value !== null).length;
    await until("everything routed", async () => (await routed()) === copies(all));
    expect((await second.outputs()).flat()).toEqual([]);
    await Promise.all([one.worker.stop(), two.worker.stop()]);
  });

  test("shares both stages among its workers, and goes on when one is gone", async () => {
    const deployed = await lab.deploy({ source: "rekeyed", workers: 2 });
    const all = payments(12_000);
    const [first] = [deployed.startChild({ slot: 0 }), deployed.startChild({ slot: 1 })];
    await sendAll(deployed, all.slice(0, 6_000));
    await until("some", async () => (await deployed.outputs()).flat().length > 3_000, 60_000);
    const sending = sendAll(deployed, all.slice(6_000));
    await first?.child.kill();
    await sending;
    await arrived(deployed, all);
    expectExact(await eventsOf(deployed), all);
  });
});
