// sessions.ts: what a listener plays until nothing is played for 20 minutes.
import { first, json, key, processor, s, topic, windows } from "reprise";

const listener = key("listener", s.string);
const Play = s.record("Play", { at: s.timestamp, track: s.string });
const Session = s.record("Session", { from: s.timestamp, tracks: s.long, opener: s.string });

export default processor({
  name: "listening",
  version: 1,
  key: listener,
  inputs: { plays: topic("plays", { key: listener, value: json(Play), time: (play) => play.at, outOfOrder: "1m" }) },
  outputs: { sessions: topic("listening-sessions", { key: listener, value: json(Session) }) },
  windows: { session: windows.session({ gap: "20m", max: "1d", aggregate: { opener: first(s.string) } }) },
}).handle({
  on: {
    plays({ track }, ctx) {
      ctx.windows.session.add({ opener: track });
    },
  },
  onWindow: {
    session({ count, opener }, ctx) {
      ctx.out.sessions.emit({ from: ctx.window.start, tracks: count, opener });
    },
  },
});
