// Refrigerators report their temperature: an alert when one has been above −10 °C for five minutes, or is far from what is usual for it,
// and its mean and standard deviation over the last seven days, every hour.
import { json, key, processor, s, state, table, timer, topic, windows } from "reprise";

const device = key("device", s.string);

const Reading = s.record("Reading", { at: s.timestamp, celsius: s.double });
const Latest = s.record("Latest", { at: s.timestamp, celsius: s.double, warmSince: s.timestamp.optional() });
const Alert = s.record("Alert", { kind: s.oneOf("Kind", "warm", "unusual"), celsius: s.double, since: s.timestamp });
const Week = s.record("Week", { until: s.timestamp, readings: s.long, mean: s.double, stddev: s.double });

export const readings = topic("readings", { key: device, value: json(Reading), time: (reading) => reading.at, outOfOrder: "10s" });
export const alerts = topic("fridge-alerts", { key: device, value: json(Alert) });
export const weeks = table("fridge-weeks", { key: device, value: json(Week) });

export default processor({
  name: "refrigerators",
  version: 1,
  key: device,
  // By the time they were taken, not by when they came: a cool reading of minute 6 can't cancel the alarm of minute 5.
  order: "event-time",
  // A device that falls silent while it is warm raises its alarm too: time goes on without it.
  clock: "10s",
  inputs: { readings },
  outputs: { alerts, weeks },
  params: s.record("Params", { warmAbove: s.double.default(-10), usualFrom: s.long.default(100) }),
  state: { latest: state.value(Latest, { view: true }) },
  windows: {
    // Kept in slices of an hour: 168 for each device, however many readings there are.
    week: windows.rolling({ size: "7d", step: "1h", aggregate: { celsius: ["mean", "stddev"] }, view: true }),
  },
  timers: { tooWarm: timer() },
}).handle({
  on: {
    readings({ celsius }, ctx) {
      const week = ctx.windows.week.current();
      if (week !== undefined && week.count >= ctx.params.usualFrom && Math.abs(celsius - week.celsius.mean) > 3 * week.celsius.stddev)
        ctx.out.alerts.emit({ kind: "unusual", celsius, since: ctx.timestamp });
      ctx.windows.week.add({ celsius });

      // What comes later than `outOfOrder` allows is handled when it comes. It counts for the week; about the alarm, newer readings have decided.
      const before = ctx.state.latest.get();
      if (before !== undefined && ctx.timestamp < before.at) return;
      const wasWarmSince = before?.warmSince ?? null;
      const warmSince = celsius > ctx.params.warmAbove ? (wasWarmSince ?? ctx.timestamp) : null;
      if (warmSince === null) ctx.timers.tooWarm.cancel();
      else if (wasWarmSince === null) ctx.timers.tooWarm.after("5m");
      ctx.state.latest.set({ at: ctx.timestamp, celsius, warmSince });
    },
  },
  onTimer: {
    tooWarm(_timer, ctx) {
      const latest = ctx.state.latest.get();
      // A timer that was not cancelled has a warm refrigerator; types can't know.
      if (latest === undefined || latest.warmSince === null) return;
      ctx.out.alerts.emit({ kind: "warm", celsius: latest.celsius, since: latest.warmSince });
    },
  },
  onWindow: {
    week({ count, celsius }, ctx) {
      ctx.out.weeks.upsert({ until: ctx.window.end, readings: count, mean: celsius.mean, stddev: celsius.stddev });
    },
  },
});
