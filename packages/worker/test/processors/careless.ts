import { json, s } from "@reprise/schema";
import { key, processor, state, topic } from "@reprise/processor";
import { inputOf, type Names } from "./names.ts";

const account = key("account", s.string);
const Payment = s.record("Payment", { seq: s.int, cents: s.int });
const Seen = s.record("Seen", { count: s.int, atMs: s.double });

/** One account's row says when it was processed; everything else is a function of the log. */
export default (names: Names) =>
  processor({
    name: names.processor,
    version: names.version,
    key: account,
    inputs: { payments: topic(inputOf(names, 0), { key: account, value: json(Payment) }) },
    outputs: { seen: topic(names.output, { key: account, value: json(Seen) }) },
    state: { last: state.value(Seen, { initial: { count: 0, atMs: 0 } }) },
  }).handle({
    on: {
      payments(_, ctx) {
        const count = ctx.state.last.get().count + 1;
        const now = { count, atMs: ctx.key === "account-7" && count > 20 ? Date.now() : count };
        ctx.state.last.set(now);
        ctx.out.seen.emit({ count, atMs: count });
      },
    },
  });
