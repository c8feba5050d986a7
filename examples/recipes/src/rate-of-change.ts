// rate-of-change.ts: how fast a tank's level changes, in litres per minute, from each reading to the next.
import { json, key, processor, s, state, topic } from "reprise";

const tank = key("tank", s.string);
const Level = s.record("Level", { at: s.timestamp, litres: s.double });
const Rate = s.record("Rate", { at: s.timestamp, litresPerMinute: s.double });

export default processor({
  name: "rate-of-change",
  version: 1,
  key: tank,
  order: "event-time", // else a reading that was overtaken would change the sign
  inputs: { levels: topic("levels", { key: tank, value: json(Level), time: (level) => level.at, outOfOrder: "10s" }) },
  outputs: { rates: topic("rates", { key: tank, value: json(Rate) }) },
  state: { last: state.value(Level) },
}).handle({
  on: {
    levels(level, ctx) {
      const last = ctx.state.last.get();
      if (last !== undefined && level.at <= last.at) return; // the same moment twice, or too late to be in order
      if (last !== undefined)
        ctx.out.rates.emit({ at: level.at, litresPerMinute: (level.litres - last.litres) / ((level.at - last.at) / 60_000) });
      ctx.state.last.set(level);
    },
  },
});
