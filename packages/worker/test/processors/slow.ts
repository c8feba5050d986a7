import { json, s } from "@reprise/schema";
import { key, processor, state, topic } from "@reprise/processor";
import { inputOf, type Names } from "./names.ts";

const account = key("account", s.string);
const Payment = s.record("Payment", { seq: s.int, cents: s.int });
const Total = s.record("Total", { seq: s.int, count: s.int, cents: s.long });
const Sum = s.record("Sum", { count: s.int, cents: s.long });
/** Of the account `slow`, per record. */
const slowMs = 20;

export default (names: Names) =>
  processor({
    name: names.processor,
    version: names.version,
    key: account,
    inputs: { payments: topic(inputOf(names, 0), { key: account, value: json(Payment) }) },
    outputs: { totals: topic(names.output, { key: account, value: json(Total) }) },
    state: { sum: state.value(Sum, { initial: { count: 0, cents: 0 } }) },
  }).handle({
    on: {
      payments({ seq, cents }, ctx) {
        if (ctx.key === "slow") {
          const until = performance.now() + slowMs;
          while (performance.now() < until);
        }
        const before = ctx.state.sum.get();
        const now = { count: before.count + 1, cents: before.cents + cents };
        ctx.state.sum.set(now);
        ctx.out.totals.emit({ seq, ...now });
      },
    },
  });
