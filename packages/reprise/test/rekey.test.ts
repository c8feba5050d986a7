import { events, ignore, json, key, processor, rekey, s, state, topic, windows } from "reprise";
import { testProcessor } from "reprise/testing";
import { describe, expect, test } from "vitest";

const visitor = key("visitor", s.long);
const product = key("product", s.string);
const Click = s.record("Click", { products: s.array(s.string), cents: s.long });
const Count = s.record("Count", { clicks: s.long, cents: s.long });
const Seen = s.record("Seen", { product: s.string, from: s.string, headers: s.string, id: s.string });
const clicks = topic("clicks", { key: visitor, value: json(Click), outOfOrder: "1s" });
const prices = topic("prices", { key: product, value: json(s.record("Price", { cents: s.long })) });

/** Clicks of visitors, counted by product. */
function clicksByProduct(onError: "fail" | "skip" | "dead-letter" = "fail") {
  return processor({
    name: "by-product",
    version: 1,
    key: product,
    inputs: {
      clicks: rekey(clicks, {
        key: product,
        by({ products }) {
          if (products[0] === "broken") throw new Error("no such product");
          return products[0] === "none" ? null : products;
        },
      }),
      prices,
    },
    outputs: { counts: topic("counts", { key: product, value: json(Count) }), seen: topic("seen", { key: product, value: json(Seen) }) },
    state: { price: state.value(s.long, { initial: 0 }), total: state.value(s.long, { initial: 0 }) },
    windows: { perMinute: windows.tumbling({ size: "1m", aggregate: { cents: "sum" } }) },
    onError: { handler: onError, decode: onError },
  }).handle({
    on: {
      clicks({ cents }, ctx) {
        ctx.windows.perMinute.add({ cents });
        ctx.state.total.set(ctx.state.total.get() + cents);
        const { topic: from, partition, offset, headers } = ctx.record;
        ctx.out.seen.emit({
          product: ctx.key,
          from: `${from}-${partition}@${offset}`,
          headers: Object.keys(headers).join(),
          id: ctx.uuid(),
        });
      },
      prices({ cents }, ctx) {
        ctx.state.price.set(cents);
      },
    },
    onWindow: {
      perMinute({ count, cents }, ctx) {
        ctx.out.counts.emit({ clicks: count, cents });
      },
    },
  });
}

describe("rekey()", () => {
  test("a record goes to the keys that `by` gives, in order: one, several, none", () => {
    const t = testProcessor(clicksByProduct());
    t.when.clicks(1, { products: ["tea", "cup"], cents: 3 }, 1_000);
    t.when.clicks(2, { products: ["tea"], cents: 4 }, 2_000);
    t.when.clicks(3, { products: ["none"], cents: 100 }, 3_000);
    t.when.clicks(4, { products: ["cup", "tea", "cup"], cents: 1 }, 4_000);
    expect(t.then.seen().map(({ key: to, value }) => [to, value.from])).toEqual([
      ["tea", "clicks-0@0"],
      ["cup", "clicks-0@0"],
      ["tea", "clicks-0@1"],
      ["cup", "clicks-0@3"],
      ["tea", "clicks-0@3"],
      ["cup", "clicks-0@3"],
    ]);
    expect(t.stateOf("tea").total.get()).toBe(8);
    expect(t.stateOf("cup").total.get()).toBe(5);
    expect(t.stateOf("none").total.get()).toBe(0);
    t.checkReplay();
  });

  test("time goes on with records that go nowhere, and results have the time of the source", () => {
    const t = testProcessor(clicksByProduct());
    t.when.clicks(1, { products: ["tea"], cents: 3 }, 1_000);
    t.when.clicks(1, { products: ["none"], cents: 0 }, 60_999);
    expect(t.then.counts()).toEqual([]);
    t.when.clicks(1, { products: ["none"], cents: 0 }, 61_000);
    expect(t.then.counts()).toEqual([{ key: "tea", value: { clicks: 1, cents: 3 }, timestamp: 61_000 }]);
    t.checkReplay();
  });

  test("each copy of a record has ids of its own, and no header of ours", () => {
    const t = testProcessor(clicksByProduct());
    t.when.clicks(1, { products: ["tea", "cup", "pot"], cents: 1 }, 1_000);
    const seen = t.then.seen().map(({ value }) => value);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(3);
    expect(seen.map(({ headers }) => headers)).toEqual(["", "", ""]);
  });

  test("it merges by time with the inputs that have the key already", () => {
    const t = testProcessor(clicksByProduct());
    t.when.prices("tea", { cents: 7 }, 500);
    t.when.clicks(1, { products: ["tea"], cents: 3 }, 1_000);
    expect(t.stateOf("tea").price.get()).toBe(7);
    expect(t.stateOf("tea").total.get()).toBe(3);
    t.checkReplay();
  });

  test("where `by` throws, the policy for handlers decides", () => {
    const skips = testProcessor(clicksByProduct("skip"));
    skips.when.clicks(1, { products: ["broken"], cents: 1 }, 1_000);
    skips.when.clicks(1, { products: ["tea"], cents: 1 }, 1_000);
    expect(skips.stateOf("tea").total.get()).toBe(1);
    const letters = testProcessor(clicksByProduct("dead-letter"));
    letters.when.clicks(1, { products: ["broken"], cents: 1 }, 1_000);
    expect(letters.then.deadLetters()).toEqual([{ reason: "by of rekey clicks-by-product: no such product", input: "clicks" }]);
    letters.checkReplay();
    const fails = testProcessor(clicksByProduct());
    expect(() => fails.when.clicks(1, { products: ["broken"], cents: 1 }, 1_000)).toThrow(
      /record clicks-0@0 could not be rekeyed: by of rekey clicks-by-product: no such product/,
    );
  });

  test("several types in one topic: `by` gets the event, handlers the data, ignored ones move time only", () => {
    const trades = events("trades", {
      key: visitor,
      by: { header: "kind" },
      of: { Trade: json(Click), Beat: json(s.record("Beat", { n: s.long })) },
    });
    const t = testProcessor(
      processor({
        name: "trades",
        version: 1,
        key: product,
        inputs: { trades: rekey(trades, { key: product, by: (e) => (e.type === "Trade" ? e.data.products : "never asked") }) },
        outputs: { counts: topic("counts", { key: product, value: json(Count) }) },
        windows: { perMinute: windows.tumbling({ size: "1m", aggregate: { cents: "sum" } }) },
      }).handle({
        on: { trades: { Trade: ({ cents }, ctx) => ctx.windows.perMinute.add({ cents }), Beat: ignore } },
        onWindow: { perMinute: ({ count, cents }, ctx) => ctx.out.counts.emit({ clicks: count, cents }) },
      }),
    );
    t.when.trades.Trade(1, { products: ["tea", "cup"], cents: 3 }, 1_000);
    t.when.trades.Beat(1, { n: 1 }, 60_000);
    expect(t.then.counts().map((one) => one.key)).toEqual(["cup", "tea"]);
    t.checkReplay();
  });
});
