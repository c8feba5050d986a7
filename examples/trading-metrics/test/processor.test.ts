import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";
import { Random } from "../../../test/support/random.ts";
import tradingMetrics from "../src/processor.ts";

const secondMs = 1_000;
const hourMs = 3_600 * secondMs;
const nine = Date.UTC(2026, 0, 5, 9);

interface Trade {
  readonly symbol: string;
  readonly exchange: string;
  readonly id: string;
  readonly at: number;
  readonly price: number;
  readonly lots: number;
}

interface Instrument {
  readonly symbol: string;
  readonly currency: string;
  readonly perLot: number;
  /** From when on: what a lot is may change. */
  readonly from: number;
}

const instruments: readonly Instrument[] = [
  { symbol: "AAA", currency: "EUR", perLot: 1, from: 0 },
  { symbol: "BBB", currency: "USD", perLot: 100, from: 0 },
  { symbol: "BBB", currency: "USD", perLot: 10, from: nine + 2.5 * hourMs },
];
const instrumentAt = (symbol: string, at: number): Instrument =>
  instruments.findLast((one) => one.symbol === symbol && one.from <= at) as Instrument;

/** Over eight hours; most come at once, some up to two hours late. In the order in which they come. */
function someTrades(count: number): Trade[] {
  const random = new Random(6);
  const made = Array.from({ length: count }, (_, i) => {
    const at = nine + random.below(8 * 3_600) * secondMs;
    const trade = { symbol: random.pick(["AAA", "BBB"]), exchange: random.pick(["XETR", "XNAS"]), id: `t-${i}`, at };
    const lateMs = random.chance(0.2) ? random.below(2 * hourMs) : random.below(10 * secondMs);
    return { trade: { ...trade, price: 50 + random.below(1_000) / 8, lots: 1 + random.below(20) }, comes: at + lateMs };
  });
  return made.sort((a, b) => a.comes - b.comes).map(({ trade }) => trade);
}

/** What an hour's trades say, by definition. */
function barOf(trades: readonly Trade[]): object {
  const volumes = trades.map(({ symbol, at, lots }) => lots * instrumentAt(symbol, at).perLot);
  const volume = volumes.reduce((sum, one) => sum + one, 0);
  return {
    currency: instrumentAt((trades[0] as Trade).symbol, nine).currency,
    vwap: trades.reduce((sum, { price }, i) => sum + price * (volumes[i] as number), 0) / volume,
    high: Math.max(...trades.map(({ price }) => price)),
    low: Math.min(...trades.map(({ price }) => price)),
    trades: trades.length,
    volume,
  };
}

/** All of them were sent before the first trade. */
const noticed = nine - hourMs;
const keyOf = ({ symbol, exchange, at }: Trade): { symbol: string; exchange: string; hour: number } => ({
  ...{ symbol, exchange, hour: Math.floor(at / hourMs) * hourMs },
});
const start = () => testProcessor(tradingMetrics);

function send(t: ReturnType<typeof start>, { symbol, exchange, ...trade }: Trade): void {
  t.when.trades({ symbol, exchange }, trade, trade.at);
}

function withInstruments(): ReturnType<typeof start> {
  const t = start();
  for (const { symbol, ...row } of instruments) t.given.instruments(symbol, row, noticed);
  return t;
}

test("every bar, and every correction of one, is what a loop over the trades until then gives", () => {
  const t = withInstruments();
  const counted = new Map<string, { readonly trades: Trade[]; revision: number }>();
  let watermark = Number.NEGATIVE_INFINITY;
  let late = 0;
  let corrections = 0;
  for (const trade of someTrades(1_500)) {
    // What the log has said so far decides which hours are over, which are still corrected, and what comes too late.
    const before = watermark;
    watermark = Math.max(watermark, trade.at - 10 * secondMs);
    const id = JSON.stringify(keyOf(trade));
    const due = new Set<string>();
    for (const key of counted.keys()) {
      const end = (JSON.parse(key) as { hour: number }).hour + hourMs;
      if (end > before && end <= watermark) due.add(key);
    }
    const end = keyOf(trade).hour + hourMs;
    if (end + hourMs <= watermark) late++;
    else {
      const hour = counted.get(id) ?? { trades: [], revision: 0 };
      hour.trades.push(trade);
      counted.set(id, hour);
      if (end <= watermark) {
        due.add(id);
        corrections++;
      }
    }
    send(t, trade);
    const expected = [...due].sort().map((key) => {
      const hour = counted.get(key) as { readonly trades: Trade[]; revision: number };
      return { key: JSON.parse(key) as object, value: { ...barOf(hour.trades), revision: ++hour.revision } };
    });
    const given = t.then.bars().map(({ key, value }) => ({ key, value }));
    expect(given.sort((a, b) => (JSON.stringify(a.key) < JSON.stringify(b.key) ? -1 : 1))).toEqual(expected);
  }
  expect(corrections).toBeGreaterThan(50);
  expect(late).toBeGreaterThan(10);
  expect(t.then.deadLetters().length).toBe(late);
  t.checkReplay();
});

test("a trade that comes an hour late corrects its hour, with what a lot was when it was made", () => {
  const t = withInstruments();
  const trade = (id: string, at: number, price: number, lots: number): Trade => ({ symbol: "BBB", exchange: "XNAS", id, at, price, lots });
  send(t, trade("t-1", nine + 2.4 * hourMs, 10, 1));
  send(t, trade("t-2", nine + 2.6 * hourMs, 20, 10));
  t.when.timePasses(nine + 3 * hourMs + 10 * secondMs);
  const bar = { currency: "USD", high: 20, low: 10, trades: 2, volume: 200, vwap: 15, revision: 1 };
  expect(t.then.bars()).toMatchObject([{ key: { symbol: "BBB", exchange: "XNAS", hour: nine + 2 * hourMs }, value: bar }]);
  t.when.timePasses(nine + 4 * hourMs + 10 * secondMs - 1);
  send(t, trade("t-3", nine + 2.4 * hourMs, 30, 2));
  expect(t.then.bars()).toMatchObject([{ value: { high: 30, low: 10, trades: 3, volume: 400, vwap: 22.5, revision: 2 } }]);
  t.when.timePasses(nine + 4 * hourMs + 10 * secondMs);
  send(t, trade("t-4", nine + 2.4 * hourMs, 40, 2));
  expect(t.then.bars()).toEqual([]);
  expect(t.then.deadLetters()).toHaveLength(1);
  t.checkReplay();
});

test("a trade of an instrument that nobody knows is put aside", () => {
  const t = withInstruments();
  send(t, { symbol: "CCC", exchange: "XNAS", id: "t-1", at: nine, price: 1, lots: 1 });
  expect(t.then.deadLetters()).toMatchObject([{ input: "trades", reason: "rejected: no instrument CCC" }]);
  t.when.timePasses(nine + 2 * hourMs);
  expect(t.then.bars()).toEqual([]);
});
