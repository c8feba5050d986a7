// Hourly VWAP, high, low, count per symbol. Trades come up to 1 h late; amended and cancelled trades correct bars already published, for a day.
import { events, ignore, json, key, processor, s, table, windows, type ContextOf } from "reprise";

export const symbol = key("symbol", s.string);
export const symbolHour = key("symbol-hour", s.record("SymbolHour", { symbol: s.string, hour: s.timestamp }));

const Trade = s.record("Trade", { tradeId: s.string, at: s.timestamp, price: s.double, size: s.long });
const Cancelled = s.record("Cancelled", { tradeId: s.string, at: s.timestamp });
const Heartbeat = s.record("Heartbeat", { at: s.timestamp });
const Bar = s.record("Bar", { vwap: s.double, high: s.double, low: s.double, trades: s.long, revision: s.int });

export const trades = events("trades", {
  key: symbol,
  by: { field: "type" },
  of: { Trade: json(Trade), Amended: json(Trade), Cancelled: json(Cancelled), Heartbeat: json(Heartbeat) },
  time: (e) => e.data.at,
  outOfOrder: "1h",
});
export const bars = table("bars", { key: symbolHour, value: json(Bar) });

const declared = processor({
  name: "bars",
  version: 1,
  key: symbol,
  inputs: { trades },
  outputs: { bars },
  windows: {
    hour: windows.tumbling({
      size: "1h",
      grace: "24h",
      emit: "end",
      late: "dead-letter",
      items: s.string, // a trade replaces its older self
      aggregate: { price: ["min", "max"], size: "sum", notional: "sum" },
    }),
  },
});

type Ctx = ContextOf<typeof declared>;
type Trade = { readonly tradeId: string; readonly at: number; readonly price: number; readonly size: number };

/** Amended before the original, or moved to another hour: the same call, the window finds the older item by its id. */
function put(t: Trade, ctx: Ctx): void {
  ctx.windows.hour.put(t.tradeId, { price: t.price, size: t.size, notional: t.price * t.size }, t.at);
}

export default declared.handle({
  on: {
    trades: {
      Trade: put,
      Amended: put,
      Cancelled: (t, ctx) => ctx.windows.hour.remove(t.tradeId),
      Heartbeat: ignore, // moves the watermark in quiet hours; its body is not decoded
    },
  },
  onWindow: {
    hour(r, ctx) {
      ctx.out.bars.upsert(
        { vwap: r.notional / r.size, high: r.price.max, low: r.price.min, trades: r.count, revision: ctx.window.revision },
        { key: { symbol: ctx.key, hour: ctx.window.start } },
      );
    },
  },
});
