import { json, s } from "@reprise/schema";
import { key, processor, rekey, state, topic, windows } from "@reprise/processor";
import { inputOf, type Names } from "./names.ts";

const account = key("account", s.string);
const shop = key("shop", s.string);
const Payment = s.record("Payment", { seq: s.int, cents: s.int, at: s.timestamp, shops: s.array(s.string) });
const Event = s.record("Event", { what: s.string, seq: s.int, count: s.int, cents: s.long });

/** Payments of accounts, counted by shop: one event per record and shop, and one per minute and shop. */
export default (names: Names) =>
  processor({
    name: names.processor,
    version: names.version,
    key: shop,
    inputs: {
      payments: rekey(topic(inputOf(names, 0), { key: account, value: json(Payment), time: (p) => p.at, outOfOrder: "10s" }), {
        key: shop,
        by: ({ shops }) => shops,
      }),
    },
    outputs: { events: topic(names.output, { key: shop, value: json(Event) }) },
    state: { count: state.value(s.int, { initial: 0, view: true }) },
    windows: { minute: windows.tumbling({ size: "1m", aggregate: { cents: "sum" } }) },
  }).handle({
    on: {
      payments({ seq, cents }, ctx) {
        const count = ctx.state.count.get() + 1;
        ctx.state.count.set(count);
        ctx.windows.minute.add({ cents });
        ctx.out.events.emit({ what: "payment", seq, count, cents });
      },
    },
    onWindow: {
      minute({ count, cents }, ctx) {
        ctx.out.events.emit({ what: "minute", seq: ctx.window.start / 60_000, count, cents });
      },
    },
  });
