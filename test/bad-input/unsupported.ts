import {
  broadcast,
  distinct,
  effect,
  events,
  first,
  json,
  key,
  last,
  migrate,
  processor,
  protobuf,
  registry,
  rekey,
  s,
  state,
  table,
  top,
  topic,
  windows,
} from "reprise";

const user = key("user", s.string);
const product = key("product", s.string);
const Click = s.record("Click", { page: s.string, cents: s.long });
const clicks = topic("clicks", { key: user, value: json(Click) });
const profiles = table("profiles", { key: user, value: json(Click) });
const actions = events("actions", { key: user, by: { field: "type" }, of: { clicked: json(Click) } });
const about = { name: "unsupported", version: 2, key: user } as const;
// None of these ever runs.
const on = { clicks: () => undefined };
const onWindow = { w: () => undefined };

/** What the surface declares and this release can't run: what the refusal must name, and a processor that is only that. */
export const unsupported: readonly { readonly named: string; readonly make: () => object }[] = [
  { named: 'order: "event-time"', make: () => processor({ ...about, inputs: { clicks }, order: "event-time" }).handle({ on }) },
  { named: "clock", make: () => processor({ ...about, inputs: { clicks }, clock: "10s" }).handle({ on }) },
  {
    named: "input clicks: rekey()",
    make: () =>
      processor({ ...about, key: product, inputs: { clicks: rekey(clicks, { key: product, by: ({ page }) => page }) } }).handle({ on }),
  },
  {
    named: "input actions: events()",
    make: () => processor({ ...about, inputs: { actions } }).handle({ on: { actions: { clicked: () => undefined } } }),
  },
  {
    named: 'input clicks: partitioner "crc32"',
    make: () =>
      processor({ ...about, inputs: { clicks: topic("clicks", { key: user, value: json(Click), partitioner: "crc32" }) } }).handle({ on }),
  },
  {
    named: "tables.profiles: table as of the record's time",
    make: () => processor({ ...about, inputs: { clicks }, tables: { profiles } }).handle({ on }),
  },
  {
    named: "tables.all: broadcast()",
    make: () => processor({ ...about, inputs: { clicks }, tables: { all: broadcast(profiles) } }).handle({ on }),
  },
  { named: "output actions: events()", make: () => processor({ ...about, inputs: { clicks }, outputs: { actions } }).handle({ on }) },
  {
    named: "state.recent: state.list()",
    make: () => processor({ ...about, inputs: { clicks }, state: { recent: state.list(Click) } }).handle({ on }),
  },
  {
    named: "state.last: ttl",
    make: () => processor({ ...about, inputs: { clicks }, state: { last: state.value(Click, { ttl: "1d" }) } }).handle({ on }),
  },
  {
    named: "state.last: view index",
    make: () =>
      processor({ ...about, inputs: { clicks }, state: { last: state.value(Click, { view: { index: ["page"] } }) } }).handle({ on }),
  },
  ...[
    { named: "windows.w: windows.hopping()", w: windows.hopping({ size: "1h", every: "5m", aggregate: {} }) },
    { named: "windows.w: windows.rolling()", w: windows.rolling({ size: "1h", step: "5m", aggregate: {} }) },
    { named: "windows.w: windows.session()", w: windows.session({ gap: "30m", aggregate: {} }) },
    { named: "windows.w: windows.calendar()", w: windows.calendar({ per: "day", zone: "Europe/Berlin", aggregate: {} }) },
    { named: 'windows.w: emit "change"', w: windows.tumbling({ size: "1h", emit: "change", aggregate: {} }) },
    { named: "windows.w: throttle", w: windows.tumbling({ size: "1h", emit: "end", throttle: "1m", aggregate: {} }) },
    { named: "windows.w: items", w: windows.tumbling({ size: "1h", items: s.string, aggregate: {} }) },
    { named: "windows.w: keep", w: windows.tumbling({ size: "1h", keep: "1d", aggregate: {} }) },
    { named: 'windows.w.aggregate.cents: "p95"', w: windows.tumbling({ size: "1h", aggregate: { cents: "p95" } }) },
    { named: "windows.w.aggregate.page: first()", w: windows.tumbling({ size: "1h", aggregate: { page: first(s.string) } }) },
    { named: "windows.w.aggregate.page: last()", w: windows.tumbling({ size: "1h", aggregate: { page: last(s.string) } }) },
    { named: "windows.w.aggregate.page: distinct()", w: windows.tumbling({ size: "1h", aggregate: { page: distinct(s.string) } }) },
    { named: "windows.w.aggregate.page: top()", w: windows.tumbling({ size: "1h", aggregate: { page: top(3, s.string) } }) },
  ].map(({ named, w }) => ({
    named,
    make: () => processor({ ...about, inputs: { clicks }, windows: { w } }).handle({ on, onWindow } as never),
  })),
  {
    named: "windows.w: windows.join()",
    make: () =>
      processor({ ...about, inputs: { clicks }, windows: { w: windows.join({ left: Click, right: Click, within: "1h" }) } }).handle({
        on,
        onWindow,
      } as never),
  },
  {
    named: "migrate",
    make: () =>
      processor({ ...about, inputs: { clicks }, state: { count: state.value(s.int) } }).handle({
        on,
        migrate: { 1: { count: migrate(s.int, (old) => old) } },
      }),
  },
  {
    named: "input clicks: registry()",
    make: () => processor({ ...about, inputs: { clicks: topic("clicks", { key: user, value: registry(Click) }) } }).handle({ on }),
  },
  {
    named: "output out: protobuf()",
    make: () =>
      processor({
        ...about,
        inputs: { clicks },
        outputs: { out: topic("out", { key: user, value: protobuf({ $typeName: "a.Click", message: { page: "" } }) }) },
      }).handle({ on }),
  },
  {
    named: "effect reply",
    make: () => effect({ name: "reply", input: clicks, run: async () => undefined }),
  },
];
