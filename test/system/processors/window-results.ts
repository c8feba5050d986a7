import { json, key, processor, s, topic, windows } from "reprise";

const account = key("account", s.string);
const Payment = s.record("Payment", { at: s.timestamp, cents: s.int });
const Noted = s.record("Noted", { at: s.timestamp, cents: s.int, note: s.string });
const Minute = s.record("Minute", { start: s.timestamp, count: s.int, cents: s.long });

/** Two inputs, a result per account and minute when nothing of it is waited for any more. */
export default processor({
  name: "window-results",
  version: 1,
  key: account,
  inputs: {
    cards: topic("cards", { key: account, value: json(Payment), time: (p) => p.at, outOfOrder: "30s" }),
    transfers: topic("transfers", { key: account, value: json(Noted), time: (p) => p.at, outOfOrder: "30s" }),
  },
  outputs: { minutes: topic("minutes", { key: account, value: json(Minute) }) },
  windows: { minute: windows.tumbling({ size: "1m", emit: "final", aggregate: { cents: "sum" } }) },
}).handle({
  on: {
    cards: ({ cents }, ctx) => ctx.windows.minute.add({ cents }),
    transfers: ({ cents }, ctx) => ctx.windows.minute.add({ cents }),
  },
  onWindow: { minute: ({ count, cents }, ctx) => ctx.out.minutes.emit({ start: ctx.window.start, count, cents }) },
});
