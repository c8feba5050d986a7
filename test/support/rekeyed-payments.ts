import { expect } from "vitest";

export interface Payment {
  readonly account: string;
  readonly seq: number;
  readonly cents: number;
  readonly at: number;
  readonly shops: readonly string[];
}

/** Of one shop: a payment with its count, or a minute that is over. */
export interface Event {
  readonly what: string;
  readonly seq: number;
  readonly count: number;
  readonly cents: number;
}

/** A tenth of a second apart, all over the accounts; some go nowhere, some to two shops. */
export function payments(count: number): Payment[] {
  return Array.from({ length: count }, (_, seq) => ({
    account: `account-${(seq * 7919) % 211}`,
    seq,
    cents: (seq * 31) % 997,
    at: Date.UTC(2024, 0, 1) + seq * 100,
    shops: seq % 11 === 0 ? [] : seq % 5 === 0 ? [`shop-${seq % 17}`, `shop-${(seq + 1) % 17}`] : [`shop-${seq % 17}`],
  }));
}

const isPayment = ({ what }: Event): boolean => what === "payment";
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** Every payment once per shop, counted one by one; every minute but the last ones once, with all that belongs to it. */
export function expectExact(events: ReadonlyMap<string, readonly Event[]>, all: readonly Payment[]): void {
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

/** How many events there are in the end. */
export function eventCount(all: readonly Payment[]): number {
  const overMs = (all.at(-1) as Payment).at - 10_000;
  const minuteOf = ({ at }: Payment): number => Math.floor(at / 60_000);
  const minutes = new Set(
    all.filter((p) => (minuteOf(p) + 1) * 60_000 <= overMs).flatMap((p) => p.shops.map((shop) => `${shop} ${minuteOf(p)}`)),
  );
  return copies(all) + minutes.size;
}

/** One per payment and shop. */
export const copies = (all: readonly Payment[]): number => sum(all.map(({ shops }) => shops.length));
