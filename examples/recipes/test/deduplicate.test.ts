import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";
import { Random } from "../../../test/support/random.ts";
import deduplicate from "../src/deduplicate.ts";

const dayMs = 86_400_000;

test("an order that was sent again within a day is not passed on again; one that comes a day later is", () => {
  const random = new Random(7);
  const t = testProcessor(deduplicate);
  const expected: object[] = [];
  const passedOn = new Map<string, number>();
  let now = 0;
  for (let i = 0; i < 1_200; i++) {
    now += random.below(400_000);
    const customer = `c-${random.below(5)}`;
    const order = { id: `o-${random.below(40)}`, cents: i };
    const id = `${customer} ${order.id}`;
    const last = passedOn.get(id);
    if (last === undefined || now >= last + dayMs) {
      passedOn.set(id, now);
      expected.push({ key: customer, value: order, timestamp: now });
    }
    t.when.orders(customer, order, now);
  }
  expect(expected.length).toBeGreaterThan(passedOn.size + 50);
  expect(expected.length).toBeLessThan(1_100);
  expect(t.then.unique()).toEqual(expected);
  t.checkReplay();
});
