// silence.ts: a device that has said nothing for ten minutes, and one that is back.
import { json, key, processor, s, state, timer, topic } from "reprise";

const device = key("device", s.string);
const Ping = s.record("Ping", { at: s.timestamp });
const Status = s.record("Status", { silent: s.boolean, since: s.timestamp });

export default processor({
  name: "silence",
  version: 1,
  key: device,
  clock: "10s", // a record per partition every ten seconds: else silence of all devices would be no time at all
  inputs: { pings: topic("pings", { key: device, value: json(Ping), time: (ping) => ping.at, outOfOrder: "10s" }) },
  outputs: { statuses: topic("device-status", { key: device, value: json(Status) }) },
  state: { last: state.value(s.timestamp), silent: state.value(s.boolean, { initial: false }) },
  timers: { silence: timer() },
}).handle({
  on: {
    pings({ at }, ctx) {
      const last = ctx.state.last.get();
      if (last !== undefined && at <= last) return; // overtaken: it says nothing new
      ctx.state.last.set(at);
      ctx.timers.silence.at(at + 10 * 60_000);
      if (ctx.state.silent.get()) ctx.out.statuses.emit({ silent: false, since: at });
      ctx.state.silent.set(false);
    },
  },
  onTimer: {
    silence(_timer, ctx) {
      ctx.state.silent.set(true);
      ctx.out.statuses.emit({ silent: true, since: ctx.state.last.get() ?? ctx.timestamp });
    },
  },
});
