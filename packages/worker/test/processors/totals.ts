import { json, s } from "@reprise/schema";
import { key, processor, state, topic } from "@reprise/processor";
import { inputOf, type Names } from "./names.ts";

const account = key("account", s.string);
const Payment = s.record("Payment", { seq: s.int, cents: s.int });
const Total = s.record("Total", { seq: s.int, count: s.int, cents: s.long });
const Sum = s.record("Sum", { count: s.int, cents: s.long });

/** A running total per account: one output per record, so that each one shows whether it was counted once, twice or never. */
export default (names: Names) =>
  processor({
    name: names.processor,
    version: names.version,
    key: account,
    inputs: { payments: topic(inputOf(names, 0), { key: account, value: json(Payment) }) },
    outputs: { totals: topic(names.output, { key: account, value: json(Total) }) },
    state: {
      sum: state.value(Sum, { initial: { count: 0, cents: 0 }, view: true }),
      largest: state.value(s.int, { view: true }),
      bySize: state.map(s.string, s.int, { view: true }),
      hidden: state.value(s.int),
    },
  }).handle({
    on: {
      payments({ seq, cents }, ctx) {
        const before = ctx.state.sum.get();
        const now = { count: before.count + 1, cents: before.cents + cents };
        ctx.state.sum.set(now);
        if (cents > (ctx.state.largest.get() ?? 0)) ctx.state.largest.set(cents);
        const size = cents < 100 ? "small" : cents < 500 ? "medium" : "large";
        ctx.state.bySize.set(size, (ctx.state.bySize.get(size) ?? 0) + 1);
        ctx.state.hidden.set(seq);
        ctx.out.totals.emit({ seq, ...now });
      },
    },
  });
