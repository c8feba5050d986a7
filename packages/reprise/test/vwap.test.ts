import { ignore, processor, s, windows } from "reprise";
import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";
import reference, { bars, symbol, trades } from "./api/4-vwap.ts";

const at = (hour: number, minute: number): number => Date.UTC(2026, 0, 5, hour, minute);
const hourOf = (hour: number): { symbol: string; hour: number } => ({ symbol: "ACME", hour: at(hour, 0) });
const trade = (tradeId: string, time: number, price: number, size: number) => ({ tradeId, at: time, price, size });
const bar = (vwap: number, high: number, low: number, count: number, revision: number) => ({ vwap, high, low, trades: count, revision });

test("amended and cancelled trades correct the hours that were published", () => {
  const t = testProcessor(reference);
  const { trades: send } = t.when;
  send.Trade("ACME", trade("t1", at(10, 5), 10, 100), at(10, 5));
  send.Trade("ACME", trade("t2", at(10, 30), 20, 300), at(10, 30));
  send.Trade("ACME", trade("t3", at(10, 59), 12, 100), at(10, 59));
  send.Trade("ACME", trade("u1", at(11, 10), 30, 10), at(11, 10));
  expect(t.then.bars()).toEqual([]);
  // Nothing is waited for any more at 11:00, an hour later.
  send.Heartbeat("ACME", { at: at(12, 0) }, at(12, 0));
  expect(t.then.bars()).toMatchObject([{ key: hourOf(10), value: bar((1000 + 6000 + 1200) / 500, 20, 10, 3, 1) }]);

  // Another price and size.
  send.Amended("ACME", trade("t2", at(10, 30), 14, 200), at(12, 1));
  expect(t.then.bars()).toMatchObject([{ key: hourOf(10), value: bar((1000 + 2800 + 1200) / 400, 14, 10, 3, 2) }]);
  // The same again is no correction.
  send.Amended("ACME", trade("t2", at(10, 30), 14, 200), at(12, 2));
  expect(t.then.bars()).toEqual([]);
  // It was at 11:59, in an hour that is not published yet.
  send.Amended("ACME", trade("t1", at(11, 59), 40, 30), at(12, 3));
  expect(t.then.bars()).toMatchObject([{ key: hourOf(10), value: bar((2800 + 1200) / 300, 14, 12, 2, 3) }]);
  send.Heartbeat("ACME", { at: at(13, 0) }, at(13, 0));
  expect(t.then.bars()).toMatchObject([{ key: hourOf(11), value: bar((300 + 1200) / 40, 40, 30, 2, 1) }]);
  // And back, into an hour that is, from one that is.
  send.Amended("ACME", trade("t1", at(10, 6), 11, 100), at(13, 1));
  expect(t.then.bars()).toMatchObject([
    { key: hourOf(10), value: bar((2800 + 1200 + 1100) / 400, 14, 11, 3, 4) },
    { key: hourOf(11), value: bar(30, 30, 30, 1, 2) },
  ]);
  send.Cancelled("ACME", { tradeId: "t2", at: at(13, 2) }, at(13, 2));
  send.Cancelled("ACME", { tradeId: "unknown", at: at(13, 2) }, at(13, 2));
  expect(t.then.bars()).toMatchObject([{ key: hourOf(10), value: bar((1200 + 1100) / 200, 12, 11, 2, 5) }]);

  // 11:00 and a day: what the market closes with.
  send.Heartbeat("ACME", { at: at(36, 0) }, at(36, 0));
  send.Amended("ACME", trade("t3", at(10, 59), 99, 100), at(36, 1));
  expect(t.then.bars()).toEqual([]);
  expect(t.then.deadLetters()).toHaveLength(1);
  t.checkReplay();
});

test("an hour whose trades were all cancelled is deleted, and comes back", () => {
  const hours = processor({
    ...{ name: "bars", version: 2, key: symbol, inputs: { trades }, outputs: { bars } },
    windows: {
      hour: windows.tumbling({ size: "1h", grace: "24h", emit: "end", items: s.string, aggregate: { price: ["min", "max"] } }),
    },
  }).handle({
    on: {
      trades: {
        Trade: (v, ctx) => ctx.windows.hour.put(v.tradeId, { price: v.price }, v.at),
        Amended: ignore,
        Cancelled: (v, ctx) => ctx.windows.hour.remove(v.tradeId),
        Heartbeat: ignore,
      },
    },
    onWindow: {
      hour({ count, price }, ctx) {
        const key = { symbol: ctx.key, hour: ctx.window.start };
        if (count === 0) ctx.out.bars.delete({ key });
        else ctx.out.bars.upsert(bar(0, price.max, price.min, count, ctx.window.revision), { key });
      },
    },
  });
  const t = testProcessor(hours);
  const { trades: send } = t.when;
  send.Trade("ACME", trade("t1", at(10, 5), 10, 1), at(10, 5));
  send.Trade("ACME", trade("t2", at(11, 5), 11, 1), at(11, 5));
  send.Cancelled("ACME", { tradeId: "t2", at: at(11, 6) }, at(11, 6));
  send.Heartbeat("ACME", { at: at(14, 0) }, at(14, 0));
  // Of 11:00 nobody knows.
  expect(t.then.bars()).toMatchObject([{ key: hourOf(10), value: bar(0, 10, 10, 1, 1) }]);
  send.Cancelled("ACME", { tradeId: "t1", at: at(14, 1) }, at(14, 1));
  send.Trade("ACME", trade("t1", at(10, 7), 12, 1), at(14, 2));
  expect(t.then.bars()).toMatchObject([
    { key: hourOf(10), value: null },
    { key: hourOf(10), value: bar(0, 12, 12, 1, 3) },
  ]);
  t.checkReplay();
});
