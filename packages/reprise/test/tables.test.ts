import { broadcast, json, key, processor, s, state, table, timer, topic, windows } from "reprise";
import { testProcessor } from "reprise/testing";
import { describe, expect, test } from "vitest";

const card = key("card", s.string);
const merchant = key("merchant", s.string);
const Payment = s.record("Payment", { merchant: s.string, cents: s.long });
const Limit = s.record("Limit", { cents: s.long });
const Merchant = s.record("Merchant", { category: s.string });
const payments = topic("payments", { key: card, value: json(Payment) });
const limits = table("limits", { key: card, value: json(Limit) });
const merchants = table("merchants", { key: merchant, value: json(Merchant) });
const out = topic("out", { key: card, value: json(s.string) });

const joined = processor({
  ...{ name: "joined", version: 1, key: card, inputs: { payments }, outputs: { out } },
  tables: { limits, merchants: broadcast(merchants) },
}).handle({
  on: {
    payments(payment, ctx) {
      const limit = ctx.tables.limits.get();
      const at = ctx.tables.merchants.get(payment.merchant);
      ctx.out.out.emit(`${payment.cents} of ${limit?.cents ?? "none"} at ${at?.category ?? "nowhere"}`);
    },
  },
});

const texts = (driver: { then: { out(): readonly { value: string }[] } }): string[] => driver.then.out().map(({ value }) => value);

describe("a record and the tables", () => {
  test("sees both kinds as they were at its time, whatever came since", () => {
    const t = testProcessor(joined);
    t.given.limits("c1", { cents: 100 });
    t.given.merchants("m1", { category: "books" });
    t.when.payments("c1", { merchant: "m1", cents: 1 }, 1_000);
    t.given.limits("c1", { cents: 200 }, 2_000);
    t.given.merchants("m1", { category: "toys" }, 2_000);
    t.when.payments("c1", { merchant: "m1", cents: 2 }, 1_999);
    t.when.payments("c1", { merchant: "m1", cents: 3 }, 2_000);
    t.when.payments("c2", { merchant: "m2", cents: 4 }, 2_000);
    t.given.limits("c1", null, 3_000);
    t.given.merchants("m1", null, 3_000);
    t.when.payments("c1", { merchant: "m1", cents: 5 }, 2_999);
    t.when.payments("c1", { merchant: "m1", cents: 6 }, 3_000);
    expect(texts(t)).toEqual([
      "1 of 100 at books",
      "2 of 100 at books",
      "3 of 200 at toys",
      "4 of none at nowhere",
      "5 of 200 at toys",
      "6 of none at nowhere",
    ]);
    t.checkReplay();
  });

  test("a replay merges by time: what the table said later is not seen earlier, though all of it is there", () => {
    const t = testProcessor(joined);
    for (let i = 1; i <= 50; i++) {
      t.given.limits("c1", { cents: i }, i * 100);
      t.given.merchants("m1", { category: `category ${i}` }, i * 100);
      t.when.payments("c1", { merchant: "m1", cents: 0 }, i * 100 + 50);
    }
    expect(texts(t)).toEqual(Array.from({ length: 50 }, (_, i) => `0 of ${i + 1} at category ${i + 1}`));
    t.checkReplay();
  });

  test("tables move no time: nothing fires because of them", () => {
    const watched = processor({
      ...{ name: "watched", version: 1, key: card, inputs: { payments }, outputs: { out } },
      tables: { limits },
      timers: { later: timer() },
    }).handle({
      on: { payments: (_payment, ctx) => ctx.timers.later.at(ctx.timestamp + 10) },
      onTimer: { later: (_timer, ctx) => ctx.out.out.emit(`limit ${ctx.tables.limits.get()?.cents ?? "none"}`) },
    });
    const t = testProcessor(watched);
    t.when.payments("c1", { merchant: "m", cents: 1 }, 1_000);
    t.given.limits("c1", { cents: 7 }, 1_005);
    t.given.limits("c1", { cents: 8 }, 5_000);
    expect(texts(t)).toEqual([]);
    t.when.payments("c2", { merchant: "m", cents: 1 }, 6_000);
    // It is about 1,010, and so is what it reads.
    expect(texts(t)).toEqual(["limit 7"]);
    t.checkReplay();
  });

  test("asOf latest is what is known, not what was known then", () => {
    const now = processor({
      ...{ name: "now", version: 1, key: card, inputs: { payments }, outputs: { out } },
      tables: { merchants: broadcast(merchants, { asOf: "latest" }) },
    }).handle({ on: { payments: (p, ctx) => ctx.out.out.emit(ctx.tables.merchants.get(p.merchant)?.category ?? "nowhere") } });
    const t = testProcessor(now);
    t.given.merchants("m1", { category: "new" }, 9_000);
    t.when.payments("c1", { merchant: "m1", cents: 1 }, 1_000);
    expect(texts(t)).toEqual(["new"]);
  });

  test("a table that is an input joins with another table: both sides emit", () => {
    const current = table("current", { key: card, value: json(s.string) });
    const sides = processor({
      ...{ name: "sides", version: 1, key: card, inputs: { limits, names: table("names", { key: card, value: json(s.string) }) } },
      outputs: { current },
      state: { limit: state.value(Limit), name: state.value(s.string) },
    }).handle({
      on: {
        limits(limit, ctx) {
          if (limit === null) ctx.state.limit.delete();
          else ctx.state.limit.set(limit);
          const name = ctx.state.name.get();
          if (limit === null || name === undefined) ctx.out.current.delete();
          else ctx.out.current.upsert(`${name} ${limit.cents}`);
        },
        names(name, ctx) {
          if (name === null) ctx.state.name.delete();
          else ctx.state.name.set(name);
          const limit = ctx.state.limit.get();
          if (name === null || limit === undefined) ctx.out.current.delete();
          else ctx.out.current.upsert(`${name} ${limit.cents}`);
        },
      },
    });
    const t = testProcessor(sides);
    t.when.limits("c1", { cents: 1 }, 1);
    t.when.names("c1", "ann", 2);
    t.when.limits("c1", { cents: 2 }, 3);
    t.when.names("c1", null, 4);
    expect(t.then.current().map(({ value }) => value)).toEqual([null, "ann 1", "ann 2", null]);
    t.checkReplay();
  });

  test("in time order a held record sees the table as of its time too", () => {
    const delayed = topic("payments", { key: card, value: json(Payment), outOfOrder: "1s" });
    const ordered = processor({
      ...{ name: "ordered", version: 1, key: card, order: "event-time", inputs: { payments: delayed }, outputs: { out } },
      tables: { limits },
      windows: { all: windows.tumbling({ size: "10s", aggregate: { cents: "sum" } }) },
    }).handle({
      on: {
        payments(payment, ctx) {
          ctx.windows.all.add({ cents: payment.cents });
          ctx.out.out.emit(`${payment.cents} of ${ctx.tables.limits.get()?.cents ?? "none"}`);
        },
      },
      onWindow: { all: (result, ctx) => ctx.out.out.emit(`sum ${result.cents}, limit ${ctx.tables.limits.get()?.cents ?? "none"}`) },
    });
    const t = testProcessor(ordered);
    t.given.limits("c1", { cents: 100 }, 1_000);
    t.when.payments("c1", { merchant: "m", cents: 2 }, 2_500);
    t.when.payments("c1", { merchant: "m", cents: 1 }, 1_900);
    t.given.limits("c1", { cents: 200 }, 2_000);
    t.given.limits("c1", { cents: 300 }, 11_000);
    t.when.payments("c1", { merchant: "m", cents: 3 }, 12_000);
    t.when.timePasses(20_000);
    expect(texts(t)).toEqual(["1 of 100", "2 of 200", "sum 3, limit 200", "3 of 300"]);
    t.checkReplay();
  });
});
