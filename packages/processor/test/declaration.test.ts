import {
  broadcast,
  counter,
  definitionOf,
  distinct,
  effect,
  effectDefinitionOf,
  env,
  events,
  configOf,
  defineConfig,
  fold,
  ignore,
  key,
  last,
  migrate,
  processor,
  rekey,
  state,
  table,
  timer,
  top,
  topic,
  windows,
} from "@reprise/processor";
import { describeSchema, json, RepriseError, s } from "@reprise/schema";
import { describe, expect, it, vi } from "vitest";

function errorOf(work: () => unknown): RepriseError {
  try {
    work();
  } catch (error) {
    if (RepriseError.is(error)) return error;
    throw error;
  }
  throw new Error("expected an error");
}

/** As plain JavaScript would call it: nothing is checked by the compiler. */
// oxlint-disable-next-line typescript/no-explicit-any -- that is what plain JavaScript is
const js = (value: unknown): any => value;

const card = key("card", s.string);
const shop = key("shop", s.string);
const Payment = s.record("Payment", { shop: s.string, cents: s.long });
const payments = topic("payments", { key: card, value: json(Payment), time: (p) => p.cents, outOfOrder: "10s" });
const shops = table("shops", { key: shop, value: json(Payment) });
const limits = table("limits", { key: card, value: json(s.record("Limit", { cents: s.long })), partitioner: "crc32" });
const log = events("log", { key: card, by: { field: "type" }, of: { "card.opened": json(Payment), Closed: json(Payment) } });
const base = { name: "totals", version: 2, key: card };

const declared = processor({
  ...base,
  inputs: { payments, log, returned: rekey(topic("returns", { key: shop, value: json(Payment) }), { key: card, by: (p) => p.shop }) },
  tables: { shops: broadcast(shops), limits },
  outputs: { totals: table("totals", { key: card, value: json(Payment) }) },
  state: {
    total: state.value(s.long, { initial: 0, ttl: "30d", view: true }),
    seen: state.map(s.string, s.long, { view: true }),
    last: state.list(Payment, { max: 5 }),
    byShop: state.value(Payment, { view: { index: ["shop"] } }),
  },
  windows: {
    hour: windows.tumbling({
      size: "1h",
      grace: "6h",
      emit: "end",
      late: "handle",
      throttle: "1m",
      view: true,
      keep: "30d",
      items: s.string,
      aggregate: { cents: ["sum", "p99.9"], max: "max" },
    }),
    recent: windows.rolling({
      size: "10m",
      step: "10s",
      emit: "none",
      aggregate: { shops: distinct(s.string, { approximate: true }), best: top(3, s.string), exit: last(s.string) },
    }),
    visit: windows.session({
      gap: "30m",
      max: "12h",
      aggregate: { all: fold(s.long, { initial: 0, add: (total, n: number) => total + n, merge: (a, b) => a + b }) },
    }),
    day: windows.calendar({ per: "day", zone: "Europe/Berlin", aggregate: {}, emit: "none" }),
    pairs: windows.join({ left: Payment, right: Payment, within: "2d", unmatched: "left" }),
  },
  timers: { one: timer(), many: timer({ id: s.int }) },
  params: s.record("Params", { max: s.int.default(5) }),
  metrics: { flagged: counter("Flagged", { reason: ["amount", "velocity"] }) },
  order: "event-time",
  onError: { decode: "dead-letter" },
});
const handlers = {
  on: { payments() {}, log: { "card.opened"() {}, Closed: ignore }, returned() {} },
  onTimer: { one() {}, many() {} },
  onWindow: { hour() {}, visit() {}, pairs() {} },
  onLate: { hour() {} },
  migrate: { 1: { total: migrate(s.int, (old) => old), hour: "reset" } },
} as const;

describe("a definition", () => {
  const definition = definitionOf(declared.handle(handlers));

  it("has every part with its defaults, durations in milliseconds", () => {
    expect(definition).toMatchObject({
      abi: 1,
      name: "totals",
      version: 2,
      order: "event-time",
      onError: { decode: "dead-letter", handler: "fail", late: "drop" },
    });
    expect(definition.inputs).toMatchObject({
      payments: { kind: "topic", name: "payments", partitioner: "murmur2", outOfOrderMs: 10_000 },
      log: { kind: "events", by: { field: "type" }, outOfOrderMs: 0 },
      returned: {
        kind: "rekey",
        name: "returns-by-card",
        key: { name: "card" },
        from: { kind: "topic", name: "returns", key: { name: "shop" } },
      },
    });
    expect(Object.keys(definition.inputs)).toEqual(["payments", "log", "returned"]);
    expect(definition.tables).toMatchObject({
      shops: { kind: "broadcast", asOf: "record", table: { name: "shops" } },
      limits: { kind: "table", partitioner: "crc32" },
    });
    expect(definition.state).toMatchObject({
      total: { kind: "state", type: "value", initial: { value: 0 }, ttlMs: 2_592_000_000, view: { index: [] } },
      seen: { type: "map", view: { index: [] } },
      last: { type: "list", max: 5, view: undefined },
      byShop: { type: "value", initial: undefined, view: { index: ["shop"] } },
    });
    expect(definition.windows).toMatchObject({
      hour: {
        kind: "window",
        type: "tumbling",
        sizeMs: 3_600_000,
        graceMs: 21_600_000,
        emit: "end",
        late: "handle",
        throttleMs: 60_000,
        view: true,
        keepMs: 2_592_000_000,
      },
      recent: { type: "rolling", sizeMs: 600_000, stepMs: 10_000, emit: "none", late: "drop", items: undefined, view: false },
      visit: { type: "session", gapMs: 1_800_000, maxMs: 43_200_000, emit: "final" },
      day: { type: "calendar", per: "day", zone: "Europe/Berlin" },
      pairs: { type: "join", withinMs: 172_800_000, unmatched: "left", emit: "change" },
    });
    expect(definition.windows["recent"]?.aggregate).toMatchObject({
      shops: { kind: "aggregate", type: "distinct", approximate: true },
      best: { type: "top", n: 3 },
      exit: { type: "last" },
    });
    expect(definition.timers).toMatchObject({ one: { id: undefined }, many: { kind: "timer" } });
    expect(definition.metrics).toMatchObject({ flagged: { kind: "counter", help: "Flagged", labels: { reason: ["amount", "velocity"] } } });
  });

  it("has the handlers that were given, and none when it was only declared", () => {
    expect(definition.handlers?.on["payments"]).toBe(handlers.on.payments);
    expect(definition.handlers?.on["log"]).toMatchObject({ Closed: ignore });
    expect(definition.handlers?.migrate["1"]).toMatchObject({ total: { kind: "migration" }, hour: "reset" });
    expect(definitionOf(declared).handlers).toBeUndefined();
  });

  it("is found by another copy of the package, whose ignore is the same", async () => {
    vi.resetModules();
    const other = await import("@reprise/processor");
    expect(other.definitionOf).not.toBe(definitionOf);
    expect(other.definitionOf(declared).name).toBe("totals");
    expect(other.ignore).toBe(ignore);
    expect(other.processor({ ...base, inputs: { payments } }).handle({ on: { payments() {} } }).manifest).toMatchObject({ name: "totals" });
  });

  it("of another ABI is refused", () => {
    const brand = Symbol.for("reprise.processor");
    expect(errorOf(() => definitionOf({ [brand]: { abi: 9, name: "x", version: 3 } })).code).toBe("ABI_UNSUPPORTED");
    expect(errorOf(() => definitionOf({})).code).toBe("INVALID_DECLARATION");
  });
});

describe("a manifest", () => {
  it("is JSON, frozen, and equal for equal declarations, with and without handlers", () => {
    const { manifest } = declared;
    expect(JSON.parse(JSON.stringify(manifest))).toEqual(manifest);
    const { migrations, ...rest } = declared.handle(handlers).manifest as { readonly migrations: object };
    expect({ ...rest, migrations: {} }).toEqual(manifest);
    expect(migrations).toEqual({ 1: { total: describeSchema(s.int), hour: "reset" } });
    expect(Object.isFrozen((manifest as { readonly inputs: readonly object[] }).inputs[0])).toBe(true);
  });

  it("says what plan needs, without a function in it", () => {
    const { manifest } = definitionOf(declared);
    expect(manifest).toMatchObject({
      format: 1,
      abi: 1,
      name: "totals",
      version: 2,
      order: "event-time",
      key: { name: "card", schema: { kind: "string", format: "primitive" } },
    });
    expect(
      manifest.inputs.map(({ alias, topic, kind, key, hasTime, outOfOrderMs, sourceKey }) => [
        alias,
        topic,
        kind,
        key.name,
        sourceKey?.name,
        hasTime,
        outOfOrderMs,
      ]),
    ).toEqual([
      ["payments", "payments", "topic", "card", undefined, true, 10_000],
      ["log", "log", "events", "card", undefined, false, 0],
      ["returned", "returns", "rekey", "card", "shop", false, 0],
    ]);
    expect(Object.keys(manifest.inputs[1]?.events ?? {})).toEqual(["card.opened", "Closed"]);
    expect(manifest.tables).toMatchObject([
      { alias: "shops", broadcast: { asOf: "record" } },
      { alias: "limits", broadcast: null, partitioner: "crc32" },
    ]);
    expect(manifest.windows).toMatchObject({
      hour: { type: "tumbling", sizeMs: 3_600_000, aggregate: { cents: ["sum", "p99.9"] }, items: { kind: "string" } },
      visit: { aggregate: { all: { type: "fold", merges: true } } },
    });
    expect(manifest.state).toMatchObject({ total: { type: "value", hasInitial: true }, byShop: { view: { index: ["shop"] } } });
    expect(manifest.inputs[0]?.value?.fingerprint).toMatch(/^[0-9a-f]{32}$/);
  });

  it("differs when a schema does", () => {
    const other = processor({
      ...base,
      inputs: { payments: topic("payments", { key: card, value: json(s.record("Payment", { shop: s.string, cents: s.int })) }) },
    });
    const one = processor({ ...base, inputs: { payments: topic("payments", { key: card, value: json(Payment) }) } });
    expect(other.manifest).not.toEqual(one.manifest);
  });
});

describe("names", () => {
  it.each(["", "Totals", "-x", ".x", "a b", "a/b", "é", "a".repeat(64)])("of a processor are not %j", (name) => {
    const error = errorOf(() => processor({ ...base, name, inputs: { payments } }));
    expect(error.code).toBe("INVALID_NAME");
    expect(error.message).toContain(JSON.stringify(name));
  });

  it("of a processor may be up to 63 characters", () => {
    for (const name of ["a", "0", "a.b_c-d", "a".repeat(63)])
      expect(definitionOf(processor({ ...base, name, inputs: { payments } })).name).toBe(name);
  });

  it("of other things are checked where they are declared", () => {
    for (const work of [
      () => key("Card", s.string),
      () => topic("a b", { key: card, value: Payment }),
      () => table("..", { key: card, value: Payment }),
      () => processor({ ...base, inputs: { "in put": payments } }),
      () => processor({ ...base, inputs: { then: payments } }),
      () => processor({ ...base, inputs: { payments }, state: { "1": state.value(s.int) } }),
      () => windows.tumbling({ size: "1h", aggregate: { count: "sum" } }),
      () =>
        processor({
          ...base,
          inputs: { payments },
          state: { x: state.value(s.int) },
          windows: { x: windows.tumbling({ size: "1h", aggregate: {} }) },
        }),
      () => effect({ name: "Effect", input: payments, async run() {} }),
    ])
      expect(errorOf(work).code).toBe("INVALID_NAME");
  });
});

describe("a declaration that is wrong", () => {
  const wrong: readonly [string, () => unknown, RegExp][] = [
    [
      "no version",
      () => processor({ ...base, version: 0, inputs: { payments } }),
      /processor totals: version: expected a positive integer, got 0/,
    ],
    ["half a version", () => processor({ ...base, version: 1.5, inputs: { payments } }), /got 1\.5/],
    ["no inputs", () => processor({ ...base, inputs: {} }), /inputs: expected at least one/],
    ["one topic under two names", () => processor({ ...base, inputs: { a: payments, b: payments } }), /input b: "payments" is already a/],
    [
      "one output under two names",
      () => processor({ ...base, inputs: { payments }, outputs: { a: shops, b: shops } }),
      /output b: "shops" is already a/,
    ],
    [
      "an input of another key",
      () => processor(js({ ...base, inputs: { shops } })),
      /inputs: shops: its key is "shop", the processor's is "card"/,
    ],
    [
      "a table of another key",
      () => processor(js({ ...base, inputs: { payments }, tables: { shops } })),
      /tables: shops: its key is "shop"/,
    ],
    [
      "a broadcast as input",
      () => processor(js({ ...base, inputs: { b: broadcast(limits) } })),
      /inputs: b: expected topic or table or events or rekey, got broadcast/,
    ],
    ["a misspelt option", () => processor(js({ ...base, inputs: { payments }, output: {} })), /unknown option "output"/],
    [
      "an unknown order",
      () => processor(js({ ...base, inputs: { payments }, order: "time" })),
      /order: expected "log", "event-time", got "time"/,
    ],
    [
      "an unknown policy",
      () => processor(js({ ...base, inputs: { payments }, onError: { decode: "ignore" } })),
      /onError.decode: expected "fail"/,
    ],
    [
      "a state as window",
      () => processor(js({ ...base, inputs: { payments }, windows: { w: state.value(s.int) } })),
      /windows: w: expected window, got state/,
    ],
    ["no declaration", () => processor(js(undefined)), /expected an object of options/],
    [
      "hopping windows at one place",
      () => windows.hopping({ size: "1m", every: "0s", aggregate: {} }),
      /every: expected a duration above 0/,
    ],
    ["slices of no size", () => windows.rolling({ size: "1m", step: "0s", aggregate: {} }), /step: expected a duration above 0/],
    ["a session without a gap", () => windows.session({ gap: "0s", aggregate: {} }), /gap: expected a duration above 0/],
    ["a session of no length", () => windows.session({ gap: "1s", max: "0s", aggregate: {} }), /max: expected a duration above 0/],
    [
      "a throttle of zero",
      () => windows.tumbling({ size: "1h", emit: "end", throttle: "0s", aggregate: {} }),
      /throttle: expected a duration above 0/,
    ],
    [
      "a throttle of a window that is only read",
      () => windows.tumbling({ size: "1h", emit: "none", throttle: "1m", aggregate: {} }),
      /throttle: has no meaning with emit "none"/,
    ],
    [
      "a grace of what never ends",
      () => windows.global(js({ emit: "change", grace: "1h", aggregate: {} })),
      /grace: has no meaning for a window that never ends/,
    ],
    ["a value that lives no time", () => state.value(s.int, { ttl: "0s" }), /state\.value: ttl: expected a duration above 0/],
    ["map entries that live no time", () => state.map(s.string, s.int, { ttl: "0s" }), /state\.map: ttl: expected a duration above 0/],
    ["list items that live no time", () => state.list(s.int, { ttl: "0s" }), /state\.list: ttl: expected a duration above 0/],
    [
      "a clock that ticks too often",
      () => processor({ ...base, inputs: { payments }, clock: "999ms" }),
      /totals: clock: expected at least 1s, got 999ms/,
    ],
    [
      "a clock that never ticks",
      () => processor({ ...base, inputs: { payments }, clock: "0s" }),
      /totals: clock: expected a duration above 0/,
    ],
    [
      "a bound on how far ahead of itself a record is",
      () => topic("t", { key: card, value: json(Payment), maxAhead: "1h" }),
      /topic t: maxAhead: compares `time` with the record's timestamp, and there is no `time`/,
    ],
    ["events that say nothing of their types", () => events("e", js({ key: card, of: { A: json(Payment) } })), /events e: by: expected/],
    ["a window of no size", () => windows.tumbling({ size: "0s", aggregate: {} }), /windows.tumbling: size: expected a duration above 0/],
    ["gaps between hopping windows", () => windows.hopping({ size: "1m", every: "2m", aggregate: {} }), /every \(2m\) is longer than size/],
    [
      "slices that don't add up",
      () => windows.rolling({ size: "10m", step: "7s", aggregate: {} }),
      /size \(10m\) is no multiple of step \(7s\)/,
    ],
    ["a session shorter than its gap", () => windows.session({ gap: "10m", max: "5m", aggregate: {} }), /max \(5m\) is shorter than gap/],
    ["an unknown zone", () => windows.calendar({ per: "day", zone: "Mars/Olympus", aggregate: {} }), /windows.calendar: zone: .*Mars/],
    [
      "a throttle without emissions",
      () => windows.tumbling({ size: "1h", throttle: "1m", aggregate: {} }),
      /throttle: has no meaning with emit "final"/,
    ],
    [
      "an unknown statistic",
      () => windows.tumbling({ size: "1h", aggregate: { n: js("median") } }),
      /aggregate n: expected sum, .*got "median"/,
    ],
    ["a percentile beyond 100", () => windows.tumbling({ size: "1h", aggregate: { n: "p101" } }), /got "p101"/],
    [
      "a join within nothing",
      () => windows.join({ left: Payment, right: Payment, within: "0s" }),
      /windows.join: within: expected a duration above 0/,
    ],
    [
      "a join that tells of what it has not",
      () => windows.join({ left: Payment, right: Payment, within: "1h", unmatched: js("all") }),
      /windows.join: unmatched/,
    ],
    [
      "a view of a join",
      () => windows.join(js({ left: Payment, right: Payment, within: "1h", view: true })),
      /windows.join: unknown option "view"/,
    ],
    ["a misspelt window option", () => windows.tumbling(js({ size: "1h", graze: "1m", aggregate: {} })), /unknown option "graze"/],
    ["an index of no field", () => state.value(Payment, { view: { index: js(["colour"]) } }), /there is no field "colour"/],
    ["a list of no items", () => state.list(s.int, { max: 0 }), /max: expected a positive integer/],
    ["a label without values", () => counter("x", { a: [] }), /label a: expected the list of its values/],
    ["events without types", () => events("e", { key: card, by: "registry", of: {} }), /expected at least one type/],
    ["events that nothing tells apart", () => events("e", { key: card, by: js({}), of: { A: Payment } }), /by: expected/],
    ["no key", () => topic("t", js({ value: Payment })), /topic t: expected a key/],
    ["rekey of a table", () => rekey(js(shops), { key: card, by: () => "x" }), /expected a topic or events/],
  ];

  it.each(wrong)("is refused by name: %s", (_name, work, message) => {
    const error = errorOf(work);
    expect(error.code).toBe("INVALID_DECLARATION");
    expect(error.message).toMatch(message);
  });

  it.each([
    ["grace", () => windows.tumbling({ size: "1h", grace: js("-1s"), aggregate: {} })],
    ["keep", () => windows.tumbling({ size: "1h", keep: js("-1s"), aggregate: {} })],
    ["size", () => windows.tumbling({ size: js("-1h"), aggregate: {} })],
    ["ttl", () => state.value(s.int, { ttl: js("-1s") })],
    ["outOfOrder", () => topic("t", { key: card, value: json(Payment), outOfOrder: js("-10s") })],
    ["maxAhead", () => topic("t", { key: card, value: json(Payment), time: (p) => p.cents, maxAhead: js("-10s") })],
    ["clock", () => processor({ ...base, inputs: { payments }, clock: js("-10s") })],
  ] as const)("is refused by name when %s is below zero", (name, work) => {
    const error = errorOf(work);
    expect(error.code).toBe("INVALID_ARGUMENT");
    expect(error.message).toMatch(new RegExp(`: ${name}: expected a duration such as .*, got "-`));
  });

  it("is refused when a duration or an initial value does not fit", () => {
    expect(errorOf(() => windows.tumbling({ size: js("1 hour"), aggregate: {} })).message).toContain(
      'windows.tumbling: size: expected a duration such as "500ms"',
    );
    expect(errorOf(() => state.value(s.int, { initial: 0.5 })).code).toBe("SCHEMA_INVALID");
    expect(errorOf(() => topic("t", { key: card, value: js({}) })).message).toContain("topic t: value: expected a schema");
  });
});

describe("handlers of plain JavaScript", () => {
  const handle = (change: object) => () => declared.handle(js({ ...handlers, ...change }));
  const wrong: readonly [string, object, string, RegExp][] = [
    ["an async record handler", { on: { ...handlers.on, async payments() {} } }, "ASYNC_HANDLER", /on\.payments is async/],
    [
      "an async event handler",
      { on: { ...handlers.on, log: { "card.opened": async () => undefined, Closed: ignore } } },
      "ASYNC_HANDLER",
      /on\.log\.card\.opened is async/,
    ],
    ["an async generator", { on: { ...handlers.on, async *payments() {} } }, "ASYNC_HANDLER", /on\.payments is async/],
    ["an async timer", { onTimer: { ...handlers.onTimer, async one() {} } }, "ASYNC_HANDLER", /onTimer\.one is async/],
    ["an async window", { onWindow: { ...handlers.onWindow, async hour() {} } }, "ASYNC_HANDLER", /onWindow\.hour is async/],
    ["an async late handler", { onLate: { async hour() {} } }, "ASYNC_HANDLER", /onLate\.hour is async/],
    [
      "a generator",
      { on: { ...handlers.on, *payments() {} } },
      "INVALID_DECLARATION",
      /on\.payments: a generator function would never run/,
    ],
    ["no handlers", { on: undefined }, "INVALID_DECLARATION", /on\.payments: has no handler/],
    [
      "an event without a handler",
      { on: { ...handlers.on, log: { Closed: ignore } } },
      "INVALID_DECLARATION",
      /on\.log\.card\.opened: has no handler/,
    ],
    [
      "an unknown event",
      { on: { ...handlers.on, log: { ...handlers.on.log, X() {} } } },
      "INVALID_DECLARATION",
      /on\.log\.X: no event of this type/,
    ],
    ["a function for events", { on: { ...handlers.on, log() {} } }, "INVALID_DECLARATION", /on\.log: expected one handler per type/],
    ["an unknown input", { on: { ...handlers.on, x() {} } }, "INVALID_DECLARATION", /on\.x: nothing of this name/],
    [
      "a window that does not emit",
      { onWindow: { ...handlers.onWindow, recent() {} } },
      "INVALID_DECLARATION",
      /onWindow\.recent: nothing/,
    ],
    ["a missing window", { onWindow: {} }, "INVALID_DECLARATION", /onWindow\.hour: has no handler/],
    ["a missing timer", { onTimer: { one() {} } }, "INVALID_DECLARATION", /onTimer\.many: has no handler/],
    ["no function", { onLate: { hour: 5 } }, "INVALID_DECLARATION", /onLate\.hour: expected a function, got number/],
    ["a misspelt group", { onTimers: {} }, "INVALID_DECLARATION", /unknown option "onTimers"/],
    ["a migration from the future", { migrate: { 2: {} } }, "INVALID_DECLARATION", /migrate\.2: expected a version before 2/],
    ["a migration of nothing", { migrate: { 1: { nope: "reset" } } }, "INVALID_DECLARATION", /migrate\.1\.nope: no state or window/],
    [
      "a migration of a window",
      { migrate: { 1: { hour: migrate(s.int, (n) => n) } } },
      "INVALID_DECLARATION",
      /windows can only be "reset"/,
    ],
    [
      "a migration that is a function",
      { migrate: { 1: { total: () => 1 } } },
      "INVALID_DECLARATION",
      /expected migrate\(\.\.\.\) or "reset"/,
    ],
  ];

  it.each(wrong)("are refused by name: %s", (_name, change, code, message) => {
    const error = errorOf(handle(change));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it("may not be async in what a declaration calls either", () => {
    for (const work of [
      () => topic("t", { key: card, value: Payment, time: js(async () => 1) }),
      () => rekey(payments, { key: shop, by: js(async () => "x") }),
      () => fold(s.int, { initial: 0, add: js(async () => 1) }),
      () => migrate(s.int, async () => 1),
    ])
      expect(errorOf(work).code).toBe("ASYNC_HANDLER");
  });

  it("are not called by the declaration", () => {
    const called = vi.fn<() => undefined>();
    processor({ ...base, inputs: { payments: topic("payments", { key: card, value: json(Payment), time: called as never }) } }).handle({
      on: { payments: called },
    });
    expect(called).not.toHaveBeenCalled();
  });
});

describe("effects and configuration", () => {
  it("keep what was declared, with defaults", () => {
    const run = async (): Promise<void> => {};
    const definition = effectDefinitionOf(
      effect({ name: "page", input: payments, secrets: ["URL"], retry: { attempts: 8, backoff: "1s", then: "dead-letter" }, run }),
    );
    expect(definition).toMatchObject({
      kind: "effect",
      name: "page",
      from: "latest",
      concurrency: 1,
      timeoutMs: 30_000,
      retry: { attempts: 8, backoffMs: 1_000, exhausted: "dead-letter" },
      secrets: ["URL"],
      run,
    });
    expect(errorOf(() => effect({ name: "page", input: rekey(payments, { key: shop, by: (p) => p.shop }), run })).message).toContain(
      "internal to its processor",
    );
    expect(errorOf(() => effectDefinitionOf({})).code).toBe("INVALID_DECLARATION");
  });

  it("read the environment by name", () => {
    vi.stubEnv("REPRISE_TEST_VARIABLE", "x");
    expect(env("REPRISE_TEST_VARIABLE", "y")).toBe("x");
    vi.unstubAllEnvs();
    expect(env("REPRISE_TEST_VARIABLE", "y")).toBe("y");
    expect(errorOf(() => env("REPRISE_TEST_VARIABLE")).message).toBe("the environment variable REPRISE_TEST_VARIABLE is not set");
  });

  it("refuse what no configuration has", () => {
    const config = defineConfig({ processors: ["processors/*.ts"], kafka: { brokers: "localhost:9092" } });
    expect(configOf(config)).toBe(config);
    expect(errorOf(() => configOf({ processors: [] })).code).toBe("INVALID_DECLARATION");
    expect(errorOf(() => defineConfig(js({ processors: "x", kafka: { brokers: "b" } }))).message).toContain("config: processors");
    expect(errorOf(() => defineConfig(js({ processors: [], kafka: {} }))).message).toContain("kafka.brokers");
    expect(
      errorOf(() => defineConfig({ processors: [], kafka: { brokers: "b" }, checkpoints: { url: "x", every: js("soon") } })).message,
    ).toContain("checkpoints.every");
  });
});
