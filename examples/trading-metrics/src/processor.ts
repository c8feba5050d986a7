// Prices and volumes by the hour, for each symbol at each exchange. Trades come up to an hour late, and correct what was said before.
import { broadcast, json, key, processor, s, table, topic, windows } from "reprise";

const Listing = s.record("Listing", { symbol: s.string, exchange: s.string });
const listing = key("listing", json(Listing));
const symbol = key("symbol", s.string);
const listingHour = key("listing-hour", json(s.record("ListingHour", { symbol: s.string, exchange: s.string, hour: s.timestamp })));

const Trade = s.record("Trade", { id: s.string, at: s.timestamp, price: s.double, lots: s.long });
const Instrument = s.record("Instrument", { from: s.timestamp, currency: s.string, perLot: s.long });
const Bar = s.record("Bar", {
  currency: s.string,
  vwap: s.double,
  high: s.double,
  low: s.double,
  trades: s.long,
  volume: s.double,
  revision: s.int,
});

export const trades = topic("trades", { key: listing, value: json(Trade), time: (trade) => trade.at, outOfOrder: "10s" });
/**
 * Reference data: how many units a lot of an instrument has, and what they are paid in. A row holds from the time that it says, not from when it was sent:
 * else trades from before that would have no instrument.
 */
export const instruments = table("instruments", { key: symbol, value: json(Instrument), time: (row) => row.from });
export const bars = table("bars", { key: listingHour, value: json(Bar) });

export default processor({
  name: "trading-metrics",
  version: 1,
  key: listing,
  // An hour ends although nobody trades any more.
  clock: "10s",
  inputs: { trades },
  tables: { instruments: broadcast(instruments) },
  outputs: { bars },
  windows: {
    hour: windows.tumbling({
      size: "1h",
      grace: "1h",
      emit: "end",
      late: "dead-letter",
      view: true,
      keep: "1d",
      aggregate: { price: ["min", "max"], volume: "sum", notional: "sum" },
    }),
  },
}).handle({
  on: {
    trades({ price, lots }, ctx) {
      const instrument = ctx.tables.instruments.get(ctx.key.symbol);
      if (instrument === undefined) return ctx.reject(`no instrument ${ctx.key.symbol}`);
      const volume = lots * instrument.perLot;
      ctx.windows.hour.add({ price, volume, notional: price * volume });
    },
  },
  onWindow: {
    // At the end of the hour, and again for each trade that comes late.
    hour({ count, price, volume, notional }, ctx) {
      const currency = ctx.tables.instruments.get(ctx.key.symbol)?.currency ?? "unknown";
      const bar = {
        currency,
        vwap: notional / volume,
        high: price.max,
        low: price.min,
        trades: count,
        volume,
        revision: ctx.window.revision,
      };
      ctx.out.bars.upsert(bar, { key: { ...ctx.key, hour: ctx.window.start } });
    },
  },
});
