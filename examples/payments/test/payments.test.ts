import { testProcessor } from "reprise/testing";
import { describe, expect, test } from "vitest";
import { Random } from "../../../test/support/random.ts";
import v1 from "../src/v1.ts";
import v2 from "../src/v2.ts";

const secondMs = 1_000;
const ten = Date.UTC(2026, 2, 2, 10);

interface Payment {
  readonly card: string;
  readonly id: string;
  readonly at: number;
  readonly merchant: string;
  readonly amount: number;
}

/** Of 20 cards in an hour, in bursts; each comes up to 30 s after its time. In the order in which they come. */
function somePayments(count: number): Payment[] {
  const random = new Random(3);
  const made = Array.from({ length: count }, (_, i) => {
    const at = ten + random.below(3_600) * secondMs;
    const amount = random.chance(0.1) ? 10_000 + random.below(3) - 1 : random.below(2_000);
    const payment = { card: `c-${random.below(20)}`, id: `p-${i}`, at, merchant: `m-${random.below(4)}`, amount };
    return { payment, comes: at + random.below(30) * secondMs };
  });
  return made.sort((a, b) => a.comes - b.comes).map(({ payment }) => payment);
}

/** What merchants allow, and from when on. m-3 allows anything. */
const limits = [
  { merchant: "m-0", limit: 1_500, from: Number.NEGATIVE_INFINITY },
  { merchant: "m-1", limit: 1_000, from: Number.NEGATIVE_INFINITY },
  { merchant: "m-1", limit: 500, from: ten + 1_800 * secondMs },
  { merchant: "m-2", limit: 800, from: ten + 900 * secondMs },
];

/** What version 1 says of a payment, by its definition: all are of the same month. */
function book(payments: readonly Payment[], index: number): { id: string; amount: number; monthTotal: number } {
  const { card, id, amount } = payments[index] as Payment;
  const own = payments.slice(0, index + 1).filter((one) => one.card === card);
  return { id, amount, monthTotal: own.reduce((sum, one) => sum + one.amount, 0) };
}

/** What version 2 says beside that. */
function judge(payments: readonly Payment[], index: number): { is_fraud: boolean; reasons: string[] } {
  const { card, at, merchant, amount } = payments[index] as Payment;
  const reasons: string[] = [];
  if (amount > 10_000) reasons.push("amount");
  const limit = limits.findLast((one) => one.merchant === merchant && one.from <= at)?.limit;
  if (limit !== undefined && amount > limit) reasons.push("limit");
  const end = Math.floor(at / 10_000) * 10_000 + 10_000;
  const recent = payments.slice(0, index + 1).filter((one) => one.card === card && one.at < end && one.at >= end - 600_000);
  if (recent.length > 5) reasons.push("velocity");
  return { is_fraud: reasons.length > 0, reasons };
}

describe("version 2", () => {
  test("flags amounts above 10,000, above the merchant's limit at that time, and more than five payments in ten minutes", () => {
    const payments = somePayments(600);
    const t = testProcessor(v2);
    for (const { merchant, limit, from } of limits)
      if (from === Number.NEGATIVE_INFINITY) t.given.merchants(merchant, { limit });
      else t.given.merchants(merchant, { limit }, from);
    for (const { card, ...payment } of payments) t.when.payments(card, payment, payment.at);
    const expected = payments.map(({ card }, index) => ({ key: card, value: { ...book(payments, index), ...judge(payments, index) } }));
    for (const reason of ["amount", "limit", "velocity"])
      expect(expected.filter(({ value }) => value.reasons.includes(reason)).length, reason).toBeGreaterThan(10);
    expect(expected.filter(({ value }) => !value.is_fraud).length).toBeGreaterThan(100);
    expect(t.then.booked().map(({ key, value }) => ({ key, value }))).toEqual(expected);
    t.checkReplay();
  });

  test("keeps the last payment that was flagged, for 30 days", () => {
    const t = testProcessor(v2, { params: { maxAmount: 100, maxPayments: 5 } });
    t.when.payments("c-1", { id: "p-1", at: ten, merchant: "m", amount: 100 }, ten);
    expect(t.stateOf("c-1").lastFlagged.get()).toBeUndefined();
    t.when.payments("c-1", { id: "p-2", at: ten, merchant: "m", amount: 100.01 }, ten);
    expect(t.stateOf("c-1").lastFlagged.get()).toEqual({
      id: "p-2",
      amount: 100.01,
      monthTotal: 200.01,
      is_fraud: true,
      reasons: ["amount"],
    });
    t.when.timePasses(ten + 30 * 86_400_000 - 1);
    expect(t.stateOf("c-1").lastFlagged.get()?.id).toBe("p-2");
    t.when.timePasses(ten + 30 * 86_400_000);
    expect(t.stateOf("c-1").lastFlagged.get()).toBeUndefined();
  });
});

test("a month is one of Berlin, in which it begins two hours before that of Greenwich", () => {
  const t = testProcessor(v1);
  const pay = (at: string, amount: number) => t.when.payments("c-1", { id: at, at: Date.parse(at), merchant: "m", amount }, Date.parse(at));
  pay("2026-03-31T21:59:00Z", 1);
  pay("2026-03-31T22:00:00Z", 10);
  pay("2026-04-30T21:59:00Z", 100);
  pay("2026-04-30T22:00:00Z", 1_000);
  expect(t.then.booked().map(({ value }) => value.monthTotal)).toEqual([1, 10, 110, 1_000]);
  t.checkReplay();
});

test("both versions book the same payments", () => {
  const payments = somePayments(500);
  const [before, after] = [testProcessor(v1), testProcessor(v2)];
  for (const t of [before, after]) for (const { card, ...payment } of payments) t.when.payments(card, payment, payment.at);
  const expected = payments.map(({ card }, index) => ({ key: card, value: book(payments, index) }));
  expect(before.then.booked()).toMatchObject(expected);
  expect(after.then.booked()).toMatchObject(expected);
  before.checkReplay();
});
