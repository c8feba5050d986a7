// pattern.ts: three failed logins of an account and then a success, all within five minutes.
import { json, key, processor, s, state, topic } from "reprise";

const account = key("account", s.string);
const Login = s.record("Login", { at: s.timestamp, ok: s.boolean });
const Suspicion = s.record("Suspicion", { firstFailure: s.timestamp, success: s.timestamp });

export default processor({
  name: "suspicious-logins",
  version: 1,
  key: account,
  order: "event-time", // "and then" is about when it happened, not about when it came
  inputs: { logins: topic("logins", { key: account, value: json(Login), time: (login) => login.at, outOfOrder: "30s" }) },
  outputs: { suspicions: topic("suspicious-logins", { key: account, value: json(Suspicion) }) },
  state: { failures: state.list(s.timestamp, { max: 3, ttl: "5m" }) }, // each is forgotten after five minutes
}).handle({
  on: {
    logins({ ok }, ctx) {
      if (!ok) return ctx.state.failures.push(ctx.timestamp);
      const [firstFailure, , third] = ctx.state.failures;
      if (firstFailure !== undefined && third !== undefined) ctx.out.suspicions.emit({ firstFailure, success: ctx.timestamp });
      ctx.state.failures.clear();
    },
  },
});
