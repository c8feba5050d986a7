// Version 1 books payments: a line for each, with what the card has paid in this month.
import { json, processor, s, topic, windows } from "reprise";
import { card, payments } from "./topics.ts";

const Booked = s.record("Booked", { id: s.string, amount: s.double, monthTotal: s.double });

export const booked = topic("booked-payments", { key: card, value: json(Booked) });

export default processor({
  name: "payments",
  version: 1,
  key: card,
  inputs: { payments },
  outputs: { booked },
  windows: {
    month: windows.calendar({ per: "month", zone: "Europe/Berlin", aggregate: { amount: "sum" }, emit: "none", view: true, keep: "90d" }),
  },
}).handle({
  on: {
    payments({ id, amount }, ctx) {
      ctx.windows.month.add({ amount });
      const monthTotal = ctx.windows.month.current()?.amount ?? amount;
      ctx.out.booked.emit({ id, amount, monthTotal });
    },
  },
});
