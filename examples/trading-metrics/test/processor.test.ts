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

interface Event {
  readonly type: "Trade" | "Amended" | "Cancelled";
  readonly trade: Trade;
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

/**
 * Trades over eight hours: most come at once, some up to two hours late, some twice. Every sixth is amended later, now and then into another hour, and every
 * eighth cancelled. In the order in which they come.
 */
function someEvents(trades: number): Event[] {
  const random = new Random(6);
  const made: { readonly event: Event; readonly comes: number }[] = [];
  for (let i = 0; i < trades; i++) {
    const at = nine + random.below(8 * 3_600) * secondMs;
    const trade: Trade = {
      ...{ symbol: random.pick(["AAA", "BBB"]), exchange: random.pick(["XETR", "XNAS"]), id: `t-${i}`, at },
      ...{ price: 50 + random.below(1_000) / 8, lots: 1 + random.below(20) },
    };
    let comes = at + (random.chance(0.2) ? random.below(2 * hourMs) : random.below(10 * secondMs));
    const add = (type: Event["type"], one: Trade): unknown => made.push({ event: { type, trade: one }, comes });
    add("Trade", trade);
    if (random.chance(0.05)) add("Trade", trade);
    if (random.chance(1 / 6)) {
      comes += random.below(hourMs);
      const movedMs = random.chance(0.3) ? (random.below(120) - 60) * 60 * secondMs : 0;
      add("Amended", { ...trade, at: Math.min(comes, at + movedMs), price: 50 + random.below(1_000) / 8 });
    }
    if (random.chance(1 / 8)) {
      comes += random.below(hourMs);
      add("Cancelled", trade);
    }
  }
  return made.sort((a, b) => a.comes - b.comes).map(({ event }) => event);
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

function send(t: ReturnType<typeof start>, { type, trade: { symbol, exchange, ...trade } }: Event): void {
  if (type === "Cancelled") t.when.trades.Cancelled({ symbol, exchange }, { id: trade.id, at: trade.at }, trade.at);
  else t.when.trades[type]({ symbol, exchange }, trade, trade.at);
}

function withInstruments(): ReturnType<typeof start> {
  const t = start();
  for (const { symbol, ...row } of instruments) t.given.instruments(symbol, row, noticed);
  return t;
}

/** One hour of one listing: the trades that stand, by id, and what was said of them. */
interface Hour {
  readonly key: { readonly symbol: string; readonly exchange: string; readonly hour: number };
  readonly trades: Map<string, Trade>;
  revision: number;
  /** Whether the newest that was said was a bar. */
  published: boolean;
}

/** What the processor should say, by the definition: all of an hour's trades are looked at anew for each bar. */
class Model {
  late = 0;
  corrections = 0;
  private watermark = Number.NEGATIVE_INFINITY;
  private readonly hours = new Map<string, Hour>();

  /** By key, the last of what is said because of this event; null: the bar is deleted. */
  take({ type, trade }: Event): Map<string, object | null> {
    const said = new Map<string, object | null>();
    const before = this.watermark;
    this.watermark = Math.max(before, trade.at - 10 * secondMs);
    for (const hour of this.hours.values()) {
      const end = hour.key.hour + hourMs;
      if (end > before && end <= this.watermark) this.say(hour, said);
    }
    const target = this.hour(trade);
    const old = [...this.hours.values()].find((hour) => !this.isClosed(hour) && hour.trades.has(trade.id));
    const same = old === target && JSON.stringify(old.trades.get(trade.id)) === JSON.stringify(trade);
    if (type !== "Cancelled" && same) return said;
    const changed = new Set<Hour>();
    if (old?.trades.delete(trade.id) === true) changed.add(old);
    if (type !== "Cancelled") {
      if (this.isClosed(target)) this.late++;
      else {
        target.trades.set(trade.id, trade);
        changed.add(target);
      }
    }
    for (const hour of changed) {
      if (hour.key.hour + hourMs > this.watermark) continue;
      this.corrections++;
      this.say(hour, said);
    }
    return said;
  }

  private hour(trade: Trade): Hour {
    const key = keyOf(trade);
    const id = JSON.stringify(key);
    const hour = this.hours.get(id) ?? { key, trades: new Map<string, Trade>(), revision: 0, published: false };
    this.hours.set(id, hour);
    return hour;
  }

  private isClosed({ key }: Hour): boolean {
    return key.hour + 2 * hourMs <= this.watermark;
  }

  private say(hour: Hour, said: Map<string, object | null>): void {
    const empty = hour.trades.size === 0;
    if (empty && !hour.published) return;
    hour.revision++;
    hour.published = !empty;
    said.set(JSON.stringify(hour.key), empty ? null : { ...barOf([...hour.trades.values()]), revision: hour.revision });
  }
}

test("every bar, and every correction of one, is what a loop over the trades that stand gives", () => {
  const t = withInstruments();
  const model = new Model();
  for (const event of someEvents(800)) {
    const expected = model.take(event);
    send(t, event);
    const given = new Map(t.then.bars().map(({ key, value }) => [JSON.stringify(key), value]));
    expect(given).toEqual(expected);
  }
  expect(model.corrections).toBeGreaterThan(50);
  expect(model.late).toBeGreaterThan(10);
  expect(t.then.deadLetters().length).toBe(model.late);
  t.checkReplay();
});

test("a trade that comes an hour late corrects its hour, with what a lot was when it was made", () => {
  const t = withInstruments();
  const trade = (id: string, at: number, price: number, lots: number): Event => ({
    type: "Trade",
    trade: { symbol: "BBB", exchange: "XNAS", id, at, price, lots },
  });
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

test("amendments and cancellations correct bars that were published; without trades a bar goes", () => {
  const t = withInstruments();
  const of = (type: Event["type"], id: string, at: number, price = 0, lots = 0): void =>
    send(t, { type, trade: { symbol: "AAA", exchange: "XETR", id, at, price, lots } });
  const bar = (hour: number) => ({ symbol: "AAA", exchange: "XETR", hour: nine + hour * hourMs });
  of("Trade", "t-1", nine + 60 * secondMs, 10, 1);
  of("Trade", "t-2", nine + 120 * secondMs, 40, 2);
  t.when.timePasses(nine + hourMs + 10 * secondMs);
  expect(t.then.bars()).toMatchObject([{ key: bar(0), value: { vwap: 30, high: 40, low: 10, trades: 2, volume: 3, revision: 1 } }]);
  of("Amended", "t-2", nine + 120 * secondMs, 20, 1);
  expect(t.then.bars()).toMatchObject([{ key: bar(0), value: { vwap: 15, high: 20, low: 10, trades: 2, volume: 2, revision: 2 } }]);
  of("Cancelled", "t-1", nine + 60 * secondMs);
  expect(t.then.bars()).toMatchObject([{ key: bar(0), value: { vwap: 20, high: 20, low: 20, trades: 1, volume: 1, revision: 3 } }]);
  of("Amended", "t-2", nine + hourMs + secondMs, 20, 1); // it was in the hour that is not over yet
  expect(t.then.bars()).toMatchObject([{ key: bar(0), value: null }]);
  t.when.timePasses(nine + 2 * hourMs + 10 * secondMs);
  expect(t.then.bars()).toMatchObject([{ key: bar(1), value: { vwap: 20, trades: 1, revision: 1 } }]);
  t.checkReplay();
});

test("a trade of an instrument that nobody knows is put aside", () => {
  const t = withInstruments();
  send(t, { type: "Trade", trade: { symbol: "CCC", exchange: "XNAS", id: "t-1", at: nine, price: 1, lots: 1 } });
  expect(t.then.deadLetters()).toMatchObject([{ input: "trades", reason: "rejected: no instrument CCC" }]);
  t.when.timePasses(nine + 2 * hourMs);
  expect(t.then.bars()).toEqual([]);
});
