import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";
import { Random } from "../../../test/support/random.ts";
import trainingRows from "../src/point-in-time.ts";

test("each order has the tier and the rate of its own time, whatever came since", () => {
  const random = new Random(11);
  const tiers: { readonly customer: string; readonly tier: "free" | "gold"; readonly from: number }[] = [];
  const rates: { readonly currency: string; readonly rate: number; readonly from: number }[] = [];
  for (let time = 0; time < 600_000; time += 1_000) {
    if (random.chance(0.2)) tiers.push({ customer: `c-${random.below(4)}`, tier: random.pick(["free", "gold"] as const), from: time });
    if (random.chance(0.2)) rates.push({ currency: random.pick(["USD", "CHF"]), rate: 0.5 + random.below(64) / 64, from: time });
  }
  const made = Array.from({ length: 600 }, (_, i) => ({
    customer: `c-${random.below(4)}`,
    at: 20_000 + i * 900,
    amount: i,
    currency: random.pick(["USD", "CHF"]),
  }));
  const orders = made
    .map((order) => ({ order, comes: order.at + random.below(60_000) }))
    .sort((a, b) => a.comes - b.comes)
    .map(({ order }) => order);
  const t = testProcessor(trainingRows);
  for (const { customer, tier, from } of tiers) t.given.customers(customer, { tier }, from);
  for (const { currency, rate, from } of rates) t.given.rates(currency, rate, from);
  for (const { customer, ...order } of orders) t.when.orders(customer, order, order.at);
  const expected = orders.map(({ customer, at, amount, currency }) => {
    const rate = rates.findLast((one) => one.currency === currency && one.from <= at)?.rate as number;
    const tier = tiers.findLast((one) => one.customer === customer && one.from <= at)?.tier;
    return { key: customer, value: { at, euros: amount * rate, gold: tier === "gold" } };
  });
  expect(expected.filter(({ value }) => value.gold).length).toBeGreaterThan(100);
  expect(t.then.examples().map(({ key, value }) => ({ key, value }))).toEqual(expected);
  t.checkReplay();
});

test("an order in a currency that nobody knows is put aside", () => {
  const t = testProcessor(trainingRows);
  t.when.orders("c-1", { at: 0, amount: 1, currency: "XXX" }, 0);
  expect(t.then.deadLetters()).toMatchObject([{ reason: "rejected: no rate of XXX" }]);
});
