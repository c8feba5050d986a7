// Visits per user (30-minute gap). A model server reads live features over HTTP; an external feature store answers into the log, so a replay never asks again.
import { distinct, effect, first, json, key, last, processor, s, state, topic, windows } from "reprise";

export const user = key("user", s.string);
const Click = s.record("Click", { page: s.string, product: s.string.optional(), cents: s.long.default(0) });
const Session = s.record("Session", {
  clicks: s.long,
  cents: s.double,
  landing: s.string,
  exit: s.string,
  products: s.long,
  segment: s.string,
});
const Segment = s.record("Segment", { segment: s.string });

export const clicks = topic("clicks", { key: user, value: json(Click), outOfOrder: "1m" });
export const visits = topic("visits-opened", { key: user, value: json(s.record("Opened", { at: s.timestamp })) });
export const segments = topic("segments", { key: user, value: json(Segment) });
export const sessions = topic("sessions", { key: user, value: json(Session) });

export default processor({
  name: "sessions",
  version: 1,
  key: user,
  inputs: { clicks, segments },
  outputs: { visits, sessions },
  state: { segment: state.value(s.string, { initial: "unknown", ttl: "90d" }) },
  windows: {
    visit: windows.session({
      gap: "30m",
      max: "12h",
      grace: "5m",
      view: true,
      keep: "1d", // "final" by default: one record per visit
      aggregate: {
        cents: "sum",
        landing: first(s.string),
        exit: last(s.string),
        products: distinct(s.string.optional(), { approximate: true }),
      },
    }),
  },
}).handle({
  on: {
    clicks(click, ctx) {
      if (!ctx.windows.visit.current()) ctx.out.visits.emit({ at: ctx.timestamp });
      ctx.windows.visit.add({ cents: click.cents, landing: click.page, exit: click.page, products: click.product });
    },
    segments({ segment }, ctx) {
      ctx.state.segment.set(segment);
    },
  },
  onWindow: {
    visit({ count, ...visit }, ctx) {
      ctx.out.sessions.emit({ clicks: count, ...visit, segment: ctx.state.segment.get() });
    },
  },
});

/** The HTTP look-up: reads what was published, asks once, writes the answer to the log that the processor reads. */
export const askSegment = effect({
  name: "ask-segment",
  input: visits,
  output: segments,
  secrets: ["FEATURE_STORE_TOKEN"],
  concurrency: 32,
  timeout: "2s",
  retry: { attempts: 5, backoff: "200ms", then: "dead-letter" },
  async run(_visit, ctx) {
    const answer = await fetch(`http://features.internal/users/${encodeURIComponent(ctx.key)}`, {
      signal: ctx.signal,
      headers: { authorization: `Bearer ${ctx.secrets.FEATURE_STORE_TOKEN}`, "idempotency-key": ctx.idempotencyKey },
    });
    return { segment: ((await answer.json()) as { segment: string }).segment };
  },
});
