// Version 2 does what version 1 does, and says of each payment whether it looks like fraud, and why.
import { broadcast, counter, json, processor, s, state, topic, windows } from "reprise";
import { card, merchants, payments } from "./topics.ts";

const Reason = s.oneOf("Reason", "amount", "limit", "velocity");
const Booked = s.record("Booked", { id: s.string, amount: s.double, monthTotal: s.double, is_fraud: s.boolean, reasons: s.array(Reason) });

export const booked = topic("booked-payments", { key: card, value: json(Booked) });

export default processor({
  name: "payments",
  version: 2,
  key: card,
  inputs: { payments },
  // The limit that was in force at the time of the payment: a replay of March sees March's.
  tables: { merchants: broadcast(merchants) },
  outputs: { booked },
  params: s.record("Params", { maxAmount: s.double.default(10_000), maxPayments: s.int.default(5) }),
  state: { lastFlagged: state.value(Booked, { ttl: "30d", view: true }) },
  windows: {
    month: windows.calendar({ per: "month", zone: "Europe/Berlin", aggregate: { amount: "sum" }, emit: "none", view: true, keep: "90d" }),
    recent: windows.rolling({ size: "10m", step: "10s", aggregate: {}, emit: "none" }),
  },
  metrics: { flagged: counter("Payments flagged", { reason: ["amount", "limit", "velocity"] }) },
}).handle({
  on: {
    payments({ id, merchant, amount }, ctx) {
      ctx.windows.month.add({ amount });
      const monthTotal = ctx.windows.month.current()?.amount ?? amount;
      ctx.windows.recent.add({});
      const limit = ctx.tables.merchants.get(merchant)?.limit ?? Number.POSITIVE_INFINITY;
      const recent = ctx.windows.recent.current()?.count ?? 0;
      const reasons: ("amount" | "limit" | "velocity")[] = [];
      if (amount > ctx.params.maxAmount) reasons.push("amount");
      if (amount > limit) reasons.push("limit");
      if (recent > ctx.params.maxPayments) reasons.push("velocity");
      const result = { id, amount, monthTotal, is_fraud: reasons.length > 0, reasons };
      ctx.out.booked.emit(result);
      if (result.is_fraud) ctx.state.lastFlagged.set(result);
      for (const reason of reasons) ctx.metrics.flagged.inc({ reason });
    },
  },
});
