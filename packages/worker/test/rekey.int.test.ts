import { groupOf } from "@reprise/engine";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Deployed, Lab } from "./support/lab.ts";
import { until } from "./support/until.ts";

let lab: Lab;

beforeAll(async () => {
  lab = await Lab.open();
});

afterAll(() => lab.close());

interface Payment {
  readonly account: string;
  readonly seq: number;
  readonly cents: number;
  readonly at: number;
  readonly shops: readonly string[];
}

interface Event {
  readonly what: string;
  readonly seq: number;
  readonly count: number;
  readonly cents: number;
}

/** A tenth of a second apart, all over the accounts; some go nowhere, some to two shops. */
function payments(count: number): Payment[] {
  return Array.from({ length: count }, (_, seq) => ({
    account: `account-${(seq * 7919) % 211}`,
    seq,
    cents: (seq * 31) % 997,
    at: Date.UTC(2024, 0, 1) + seq * 100,
    shops: seq % 11 === 0 ? [] : seq % 5 === 0 ? [`shop-${seq % 17}`, `shop-${(seq + 1) % 17}`] : [`shop-${seq % 17}`],
  }));
}

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

const isPayment = ({ what }: Event): boolean => what === "payment";
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Every payment once per shop, counted one by one; every minute but the last ones once, with all that belongs to it. */
function expectExact(events: ReadonlyMap<string, readonly Event[]>, all: readonly Payment[]): void {
  const shops = [...new Set(all.flatMap((p) => p.shops))].sort();
  expect([...events.keys()].sort()).toEqual(shops);
  const lastMs = (all.at(-1) as Payment).at;
  for (const shop of shops) {
    const got = events.get(shop) ?? [];
    const expected = all.filter((p) => p.shops.includes(shop));
    const single = got.filter(isPayment);
    expect(single.map(({ seq }) => seq).sort((a, b) => a - b)).toEqual(expected.map(({ seq }) => seq));
    expect(single.map(({ count }) => count)).toEqual(single.map((_, index) => index + 1));
    const closed = new Map<number, Payment[]>();
    for (const p of expected) {
      const minute = Math.floor(p.at / 60_000);
      if ((minute + 1) * 60_000 <= lastMs - 10_000) closed.set(minute, [...(closed.get(minute) ?? []), p]);
    }
    expect(got.filter((e) => !isPayment(e)).map(({ seq, count, cents }) => [seq, count, cents])).toEqual(
      [...closed].map(([minute, of]) => [minute, of.length, sum(of.map(({ cents }) => cents))]),
    );
  }
}

const copies = (all: readonly Payment[]): number => sum(all.map(({ shops }) => shops.length));

async function arrived(deployed: Deployed, all: readonly Payment[]): Promise<void> {
  const shops = new Set(all.flatMap((p) => p.shops)).size;
  const lastMs = (all.at(-1) as Payment).at - 10_000;
  const minutes = new Set(
    all
      .filter((p) => (Math.floor(p.at / 60_000) + 1) * 60_000 <= lastMs)
      .flatMap((p) => p.shops.map((s) => `${s} ${Math.floor(p.at / 60_000)}`)),
  );
  expect(shops).toBe(17);
  await until(
    "all events",
    async () => sum((await deployed.outputs()).map((records) => records.length)) >= copies(all) + minutes.size,
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
        await until("some of what came", async () => sum((await deployed.outputs()).map((records) => records.length)) >= enough, 60_000);
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
