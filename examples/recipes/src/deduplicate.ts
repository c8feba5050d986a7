// deduplicate.ts: each order once, however often its producer sends it within a day.
import { json, key, processor, s, state, topic } from "reprise";

const customer = key("customer", s.string);
const Order = s.record("Order", { id: s.string, cents: s.long });

export default processor({
  name: "deduplicate",
  version: 1,
  key: customer,
  inputs: { orders: topic("orders", { key: customer, value: json(Order) }) },
  outputs: { unique: topic("unique-orders", { key: customer, value: json(Order) }) },
  state: { seen: state.map(s.string, s.boolean, { ttl: "1d" }) },
}).handle({
  on: {
    orders(order, ctx) {
      if (ctx.state.seen.has(order.id)) return;
      ctx.state.seen.set(order.id, true);
      ctx.out.unique.emit(order);
    },
  },
});
