// Prices and volumes by the hour, for each symbol at each exchange. Trades come up to an hour late, are amended and cancelled, and correct what was
// said before.
import { broadcast, events, json, key, processor, type RecordContextOf, s, table, windows } from "reprise";

const Listing = s.record("Listing", { symbol: s.string, exchange: s.string });
const listing = key("listing", json(Listing));
const symbol = key("symbol", s.string);
const listingHour = key("listing-hour", json(s.record("ListingHour", { symbol: s.string, exchange: s.string, hour: s.timestamp })));

const Trade = s.record("Trade", { id: s.string, at: s.timestamp, price: s.double, lots: s.long });
const Cancellation = s.record("Cancellation", { id: s.string, at: s.timestamp });
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

/** All of them at the time of the trade: an amendment is as late as the trade is old. */
export const trades = events("trades", {
  key: listing,
  by: { field: "type" },
  of: { Trade: json(Trade), Amended: json(Trade), Cancelled: json(Cancellation) },
  time: (event) => event.data.at,
  outOfOrder: "10s",
});
/**
 * Reference data: how many units a lot of an instrument has, and what they are paid in. A row holds from the time that it says, not from when it was sent:
 * else trades from before that would have no instrument.
 */
export const instruments = table("instruments", { key: symbol, value: json(Instrument), time: (row) => row.from });
export const bars = table("bars", { key: listingHour, value: json(Bar) });

const declared = processor({
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
      items: s.string,
      view: true,
      keep: "1d",
      aggregate: { price: ["min", "max"], volume: "sum", notional: "sum" },
    }),
  },
});

interface Trade {
  readonly id: string;
  readonly price: number;
  readonly lots: number;
}

/** A trade and its amendment are the same: the window replaces what it has of this id, also when that lies in another hour. */
function put({ id, price, lots }: Trade, ctx: RecordContextOf<typeof declared>): void {
  const instrument = ctx.tables.instruments.get(ctx.key.symbol);
  if (instrument === undefined) return ctx.reject(`no instrument ${ctx.key.symbol}`);
  const volume = lots * instrument.perLot;
  ctx.windows.hour.put(id, { price, volume, notional: price * volume });
}

export default declared.handle({
  on: {
    trades: {
      Trade: put,
      Amended: put,
      Cancelled: ({ id }, ctx) => ctx.windows.hour.remove(id),
    },
  },
  onWindow: {
    // At the end of the hour, and again for each correction of it.
    hour({ count, price, volume, notional }, ctx) {
      const row = { key: { ...ctx.key, hour: ctx.window.start } };
      if (count === 0) return ctx.out.bars.delete(row); // all of its trades were cancelled
      const currency = ctx.tables.instruments.get(ctx.key.symbol)?.currency ?? "unknown";
      const { revision } = ctx.window;
      ctx.out.bars.upsert({ currency, vwap: notional / volume, high: price.max, low: price.min, trades: count, volume, revision }, row);
    },
  },
});
