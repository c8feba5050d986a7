import { json, s } from "@reprise/schema";
import { key, processor, state, timer, topic, windows } from "@reprise/processor";
import { inputOf, type Names } from "./names.ts";

const sensor = key("sensor", s.string);
const Reading = s.record("Reading", { at: s.timestamp, value: s.int });
const Event = s.record("Event", {
  what: s.string,
  at: s.timestamp,
  count: s.int,
  sum: s.long,
  revision: s.int,
  before: s.long,
  final: s.boolean,
});

/** Everything that happens by time: windows that emit at their end and correct themselves, and a timer that fires when a sensor goes quiet. */
export default (names: Names) =>
  processor({
    name: names.processor,
    version: names.version,
    key: sensor,
    inputs: { readings: topic(inputOf(names, 0), { key: sensor, value: json(Reading), time: (r) => r.at }) },
    outputs: { events: topic(names.output, { key: sensor, value: json(Event) }) },
    state: { seen: state.value(s.int, { initial: 0, view: true }) },
    windows: { perMinute: windows.tumbling({ size: "1m", grace: "2m", emit: "end", aggregate: { value: "sum" }, view: true }) },
    timers: { quiet: timer() },
  }).handle({
    on: {
      readings({ value }, ctx) {
        ctx.state.seen.set(ctx.state.seen.get() + 1);
        ctx.windows.perMinute.add({ value });
        ctx.timers.quiet.after("5m");
      },
    },
    onWindow: {
      perMinute({ count, value }, ctx) {
        const { start: at, revision, previous, final } = ctx.window;
        ctx.out.events.emit({ what: "minute", at, count, sum: value, revision, before: previous?.value ?? 0, final });
      },
    },
    onTimer: {
      quiet({ due }, ctx) {
        ctx.out.events.emit({ what: "quiet", at: due, count: ctx.state.seen.get(), sum: 0, revision: 0, before: 0, final: true });
      },
    },
  });
