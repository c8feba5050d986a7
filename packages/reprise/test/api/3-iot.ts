// Refrigerators: alert when above -10 °C for 5 minutes; and when a reading is beyond mean + 3 σ of the device's last 7 days.
import { json, key, processor, s, state, timer, topic, windows } from "reprise";

export const device = key("device", s.string);
const Reading = s.record("Reading", { celsius: s.double, at: s.timestamp });
export const Alert = s.record("Alert", { kind: s.oneOf("Kind", "warm", "unusual"), celsius: s.double, since: s.timestamp });

export const readings = topic("readings", { key: device, value: json(Reading), time: (r) => r.at, outOfOrder: "10s" });
export const alerts = topic("fridge-alerts", { key: device, value: json(Alert) });

export default processor({
  name: "fridges",
  version: 1,
  key: device,
  order: "event-time", // a cool reading of minute 6 can't cancel the alarm of minute 5
  inputs: { readings },
  outputs: { alerts },
  state: { warm: state.value(s.record("Warm", { since: s.timestamp, celsius: s.double })) },
  windows: { week: windows.rolling({ size: "7d", step: "5m", aggregate: { celsius: ["mean", "stddev"] }, emit: "none", view: true }) },
  timers: { tooWarm: timer() },
}).handle({
  on: {
    readings({ celsius }, ctx) {
      const week = ctx.windows.week.current();
      if (week && week.count > 100 && celsius > week.celsius.mean + 3 * week.celsius.stddev)
        ctx.out.alerts.emit({ kind: "unusual", celsius, since: ctx.timestamp });
      ctx.windows.week.add({ celsius });

      if (celsius <= -10) {
        ctx.state.warm.delete();
        ctx.timers.tooWarm.cancel();
      } else {
        if (ctx.state.warm.get() === undefined) ctx.timers.tooWarm.after("5m");
        ctx.state.warm.set({ since: ctx.state.warm.get()?.since ?? ctx.timestamp, celsius });
      }
    },
  },
  onTimer: {
    tooWarm(_timer, ctx) {
      const warm = ctx.state.warm.get();
      if (warm) ctx.out.alerts.emit({ kind: "warm", ...warm });
    },
  },
});
