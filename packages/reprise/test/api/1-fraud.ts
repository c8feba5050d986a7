// Fraud velocity check with reference data: amount above the merchant category's limit, or more than 5 payments / 5,000 EUR of a card in 10 minutes.
import { broadcast, counter, json, key, processor, s, state, table, topic, windows } from "reprise";

const card = key("card", s.string);
const merchant = key("merchant", s.string);

const Payment = s.record("Payment", { paymentId: s.string, merchantId: s.string, cents: s.long });
const Merchant = s.record("Merchant", { category: s.string, limitCents: s.long });
const Scored = s.record("Scored", { paymentId: s.string, isFraud: s.boolean, reasons: s.array(s.oneOf("Reason", "amount", "velocity")) });
const Params = s.record("Params", {
  maxPayments: s.int.default(5),
  maxCents: s.long.default(500_000),
  defaultLimitCents: s.long.default(1_000_000),
});

export const payments = topic("payments", { key: card, value: json(Payment) });
export const merchants = table("merchants", { key: merchant, value: json(Merchant) });
export const scored = topic("scored-payments", { key: card, value: json(Scored) });

export default processor({
  name: "fraud",
  version: 1,
  key: card,
  inputs: { payments },
  tables: { merchants: broadcast(merchants) },
  outputs: { scored },
  state: { lastFlagged: state.value(Scored, { ttl: "30d", view: true }) },
  windows: { recent: windows.rolling({ size: "10m", step: "10s", aggregate: { cents: "sum" }, emit: "none" }) },
  params: Params,
  metrics: { flagged: counter("Payments flagged", { reason: ["amount", "velocity"] }) },
  onError: { decode: "dead-letter" },
}).handle({
  on: {
    payments(payment, ctx) {
      ctx.windows.recent.add({ cents: payment.cents });
      const recent = ctx.windows.recent.current();
      const reasons: ("amount" | "velocity")[] = [];
      if (payment.cents > (ctx.tables.merchants.get(payment.merchantId)?.limitCents ?? ctx.params.defaultLimitCents))
        reasons.push("amount");
      if (recent && (recent.count > ctx.params.maxPayments || recent.cents > ctx.params.maxCents)) reasons.push("velocity");
      const result = { paymentId: payment.paymentId, isFraud: reasons.length > 0, reasons };
      ctx.out.scored.emit(result);
      if (result.isFraud) ctx.state.lastFlagged.set(result);
      for (const reason of reasons) ctx.metrics.flagged.inc({ reason });
    },
  },
});
