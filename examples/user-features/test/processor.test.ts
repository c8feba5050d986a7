import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";
import { Random } from "../../../test/support/random.ts";
import userFeatures from "../src/processor.ts";

const noon = Date.UTC(2026, 0, 5, 12);
const types = ["Click", "View", "Purchase"] as const;

interface Event {
  readonly type: (typeof types)[number];
  readonly user: string;
  readonly at: number;
  readonly product: string;
  readonly amount: number;
}

/** For an hour, with a silence of ten minutes; each comes up to 10 s after its time. In the order in which they come. */
function someEvents(count: number): Event[] {
  const random = new Random(5);
  const made = Array.from({ length: count }, () => {
    const second = random.below(3_000);
    const at = noon + (second < 1_500 ? second : second + 600) * 1_000;
    const event = {
      type: random.pick(types),
      user: `u-${random.below(8)}`,
      at,
      product: `p-${random.below(12)}`,
      amount: random.below(90),
    };
    return { event, comes: at + random.below(10_000) };
  });
  return made.sort((a, b) => a.comes - b.comes).map(({ event }) => event);
}

/** The features of a user at a time, by their definition: of the five minutes that end with the 10 s that hold the time. */
function featuresOf(events: readonly Event[], user: string, at: number): object | undefined {
  const end = Math.floor(at / 10_000) * 10_000 + 10_000;
  const own = events.filter((event) => event.user === user && event.at >= end - 300_000 && event.at < end);
  if (own.length === 0) return undefined;
  return {
    count: own.length,
    clicks: own.filter(({ type }) => type === "Click").length,
    views: own.filter(({ type }) => type === "View").length,
    amount: own.reduce((sum, { type, amount }) => sum + (type === "Purchase" ? amount : 0), 0),
    products: new Set(own.map(({ product }) => product)).size,
  };
}

function send(t: ReturnType<typeof start>, { type, user, at, product, amount }: Event): void {
  if (type === "Purchase") t.when.activity.Purchase(user, { at, product, amount }, at);
  else t.when.activity[type](user, { at, product }, at);
}
const start = () => testProcessor(userFeatures);

test("after each event, every user's features are what the last five minutes say", () => {
  const events = someEvents(800);
  const t = start();
  let latest = noon;
  let forgotten = 0;
  events.forEach((event, index) => {
    send(t, event);
    latest = Math.max(latest, event.at);
    for (const user of [event.user, `u-${index % 8}`]) {
      const expected = featuresOf(events.slice(0, index + 1), user, latest);
      expect(t.windowsOf(user).features.current(), `${user} after ${index} events`).toEqual(expected);
      if (expected === undefined) forgotten++;
    }
  });
  expect(forgotten).toBeGreaterThan(5);
  t.checkReplay();
});

test("who does nothing is forgotten five minutes later", () => {
  const t = start();
  t.when.activity.View("ann", { at: noon, product: "p-1" }, noon);
  t.when.activity.Purchase("ann", { at: noon + 1_000, product: "p-1", amount: 9.5 }, noon + 1_000);
  expect(t.windowsOf("ann").features.current()).toEqual({ count: 2, clicks: 0, views: 1, amount: 9.5, products: 1 });
  t.when.timePasses(noon + 299_999);
  expect(t.windowsOf("ann").features.current()).toMatchObject({ count: 2 });
  t.when.timePasses(noon + 300_000);
  expect(t.windowsOf("ann").features.current()).toBeUndefined();
  expect(t.windowsOf("bob").features.current()).toBeUndefined();
});
