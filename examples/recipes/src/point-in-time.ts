// point-in-time.ts: rows to train a model with: each order with what was known of its customer and of its currency at that time.
import { broadcast, json, key, processor, s, table, topic } from "reprise";

const customer = key("customer", s.string);
const currency = key("currency", s.string);
const Order = s.record("Order", { at: s.timestamp, amount: s.double, currency: s.string });
const Customer = s.record("Customer", { tier: s.oneOf("Tier", "free", "gold") });
const Example = s.record("Example", { at: s.timestamp, euros: s.double, gold: s.boolean });

export default processor({
  name: "training-rows",
  version: 1,
  key: customer,
  inputs: { orders: topic("orders", { key: customer, value: json(Order), time: (order) => order.at, outOfOrder: "1m" }) },
  tables: {
    customers: table("customers", { key: customer, value: json(Customer) }), // the row of the order's own key
    rates: broadcast(table("rates", { key: currency, value: json(s.double) })), // any row
  },
  outputs: { examples: topic("training-rows", { key: customer, value: json(Example) }) },
}).handle({
  on: {
    orders({ at, amount, currency: paidIn }, ctx) {
      const rate = ctx.tables.rates.get(paidIn);
      if (rate === undefined) return ctx.reject(`no rate of ${paidIn}`);
      ctx.out.examples.emit({ at, euros: amount * rate, gold: ctx.tables.customers.get()?.tier === "gold" });
    },
  },
});
