// Visits: what a user does until nothing comes for 30 minutes is one visit.
import { distinct, first, json, key, last, processor, s, topic, windows } from "reprise";

const user = key("user", s.string);

const Click = s.record("Click", { at: s.timestamp, page: s.string, product: s.string.optional(), amount: s.double.default(0) });
const Visit = s.record("Visit", {
  from: s.timestamp,
  minutes: s.double,
  clicks: s.long,
  amount: s.double,
  landing: s.string,
  exit: s.string,
  products: s.long,
});

const gapMinutes = 30;

export const clicks = topic("clicks", { key: user, value: json(Click), time: (click) => click.at, outOfOrder: "1m" });
export const visits = topic("visits", { key: user, value: json(Visit) });

export default processor({
  name: "sessions",
  version: 1,
  key: user,
  // The last visit of the day ends although nobody clicks any more.
  clock: "1m",
  inputs: { clicks },
  outputs: { visits },
  windows: {
    // A robot that never pauses would have one visit for ever; after 12 hours it begins another.
    visit: windows.session({
      gap: `${gapMinutes}m`,
      max: "12h",
      grace: "5m",
      view: true,
      keep: "1d",
      aggregate: { amount: "sum", landing: first(s.string), exit: last(s.string), products: distinct(s.string.optional()) },
    }),
  },
}).handle({
  on: {
    clicks({ page, product, amount }, ctx) {
      ctx.windows.visit.add({ amount, landing: page, exit: page, products: product });
    },
  },
  onWindow: {
    visit({ count, ...visit }, ctx) {
      // The window lasts until the gap is over; the visit until its last click.
      const minutes = (ctx.window.end - ctx.window.start) / 60_000 - gapMinutes;
      ctx.out.visits.emit({ from: ctx.window.start, minutes, clicks: count, ...visit });
    },
  },
});
