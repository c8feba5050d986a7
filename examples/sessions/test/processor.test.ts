import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";
import { Random } from "../../../test/support/random.ts";
import sessions from "../src/processor.ts";

const minuteMs = 60_000;
const nine = Date.UTC(2026, 0, 5, 9);

interface Click {
  readonly user: string;
  readonly at: number;
  readonly page: string;
  readonly product: string | null;
  readonly amount: number;
}

const click = (user: string, minute: number, page: string, product: string | null = null, amount = 0): Click => ({
  ...{ user, at: nine + minute * minuteMs, page, product, amount },
});

function send(t: ReturnType<typeof start>, clicks: readonly Click[]): void {
  for (const { user, ...own } of clicks) t.when.clicks(user, own, own.at);
}
const start = () => testProcessor(sessions);

test("a pause of 30 minutes is within a visit, a longer one ends it", () => {
  const t = start();
  send(t, [click("ann", 0, "/home"), click("ann", 30, "/shoes", "shoe-1"), click("ann", 61, "/hats", "hat-1")]);
  // 30 min of gap, 5 of grace, and 1 for what is out of order
  t.when.timePasses(nine + 66 * minuteMs - 1);
  expect(t.then.visits()).toEqual([]);
  t.when.timePasses(nine + 66 * minuteMs);
  expect(t.then.visits()).toMatchObject([
    { key: "ann", value: { from: nine, minutes: 30, clicks: 2, amount: 0, landing: "/home", exit: "/shoes", products: 1 } },
  ]);
  t.when.timePasses(nine + 97 * minuteMs);
  expect(t.then.visits()).toMatchObject([
    { key: "ann", value: { from: nine + 61 * minuteMs, minutes: 0, clicks: 1, landing: "/hats", exit: "/hats", products: 1 } },
  ]);
  t.checkReplay();
});

/** By the definition: the clicks of a user in order of time, cut where nothing came for more than half an hour. */
function visitsOf(clicks: readonly Click[]): object[] {
  const found: { key: string; value: object; from: number }[] = [];
  for (const user of new Set(clicks.map((one) => one.user))) {
    // Of equal times, as they came: sorting is stable.
    const own = clicks.filter((one) => one.user === user).sort((a, b) => a.at - b.at);
    const visits: Click[][] = [];
    for (const one of own) {
      const before = visits.at(-1)?.at(-1);
      if (before !== undefined && one.at - before.at <= 30 * minuteMs) visits.at(-1)?.push(one);
      else visits.push([one]);
    }
    for (const visit of visits) {
      const [firstClick, lastClick] = [visit[0] as Click, visit.at(-1) as Click];
      const value = {
        from: firstClick.at,
        minutes: (lastClick.at - firstClick.at) / minuteMs,
        clicks: visit.length,
        amount: visit.reduce((sum, { amount }) => sum + amount, 0),
        landing: firstClick.page,
        exit: lastClick.page,
        products: new Set(visit.flatMap(({ product }) => (product === null ? [] : [product]))).size,
      };
      found.push({ key: user, value, from: firstClick.at });
    }
  }
  return found.sort((a, b) => a.from - b.from || (a.key < b.key ? -1 : 1)).map(({ key, value }) => ({ key, value }));
}

test("the visits of 40 users in a day, whose clicks overtake each other, are those of a plain loop", () => {
  const random = new Random(4);
  const made: { readonly sent: Click; readonly comes: number }[] = [];
  for (let i = 0; i < 40; i++) {
    let minute = random.below(200);
    while (minute < 20 * 60) {
      const product = random.chance(0.6) ? `product-${random.below(6)}` : null;
      const sent = click(`user-${i}`, minute, `/page-${random.below(9)}`, product, random.below(100));
      made.push({ sent, comes: sent.at + random.below(60_000) });
      minute += random.chance(0.3) ? 29 + random.below(4) : random.chance(0.2) ? random.below(300) : random.below(20);
    }
  }
  const clicks = made.sort((a, b) => a.comes - b.comes).map(({ sent }) => sent);
  const t = start();
  send(t, clicks);
  t.when.timePasses(nine + 30 * 60 * minuteMs);
  const expected = visitsOf(clicks);
  expect(expected.length).toBeGreaterThan(200);
  const visits = t.then.visits().map(({ key, value }) => ({ key, value }));
  expect(visits.toSorted((a, b) => a.value.from - b.value.from || (a.key < b.key ? -1 : 1))).toEqual(expected);
  t.checkReplay();
});

test("who never pauses begins another visit after 12 hours", () => {
  const t = start();
  const clicks = Array.from({ length: 150 }, (_, i) => click("robot", i * 10, `/${i}`, null, 1));
  send(t, clicks);
  t.when.timePasses(nine + 40 * 60 * minuteMs);
  const visits = t.then.visits().map(({ value }) => value);
  expect(visits.map(({ from, minutes, clicks: count }) => [from, minutes, count])).toEqual([
    [nine, 720, 73],
    [nine + 730 * minuteMs, 720, 73],
    [nine + 1_460 * minuteMs, 30, 4],
  ]);
  t.checkReplay();
});
