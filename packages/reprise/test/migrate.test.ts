import { json, key, migrate, processor, s, state, timer, topic, windows } from "reprise";
import { testProcessor } from "reprise/testing";
import { describe, expect, test } from "vitest";

const user = key("user", s.string);
const Spent = s.record("Spent", { cents: s.int, shop: s.string });
const spending = topic("spending", { key: user, value: json(Spent), outOfOrder: "10s" });
const out = topic("out", { key: user, value: json(s.string) });
const AccountV1 = s.record("Account", { spent: s.int, name: s.string });

const declaredV1 = {
  ...{ name: "accounts", version: 1, key: user, inputs: { spending }, outputs: { out } },
  state: {
    account: state.value(AccountV1),
    byShop: state.map(s.string, s.record("Shop", { cents: s.int })),
    recent: state.list(s.record("Item", { cents: s.int }), { max: 3 }),
    seen: state.map(s.string, s.boolean, { ttl: "1h" }),
    gone: state.value(s.int),
  },
  windows: { minute: windows.tumbling({ size: "1m", aggregate: { cents: "sum" } }) },
  timers: { idle: timer() },
} as const;

const v1 = processor(declaredV1).handle({
  on: {
    spending({ cents, shop }, ctx) {
      ctx.state.account.set({ spent: (ctx.state.account.get()?.spent ?? 0) + cents, name: "ä" });
      ctx.state.byShop.set(shop, { cents: (ctx.state.byShop.get(shop)?.cents ?? 0) + cents });
      ctx.state.recent.push({ cents });
      ctx.state.seen.set(shop, true);
      ctx.state.gone.set(cents);
      ctx.windows.minute.add({ cents });
      ctx.timers.idle.after("30s");
    },
  },
  onWindow: { minute: ({ cents }, ctx) => ctx.out.out.emit(`window ${cents}`) },
  onTimer: { idle: (_timer, ctx) => ctx.out.out.emit("idle") },
});

const Account = s.record("AccountV2", { spentCents: s.long, tier: s.oneOf("Tier", "free", "gold") });
const declaredV2 = processor({
  ...declaredV1,
  version: 2,
  state: {
    account: state.value(Account),
    // Widened, with a new field, and a name that sorts elsewhere beside it: slots have other numbers.
    aNew: state.value(s.long, { initial: 0 }),
    byShop: state.map(s.string, s.record("Shop", { cents: s.long, visits: s.int.default(0) }), { ttl: "2h" }),
    recent: state.list(s.record("Item", { cents: s.double }), { max: 3 }),
    seen: state.map(s.string, s.boolean),
  },
});
const on = {
  spending({ cents, shop }: { cents: number; shop: string }, ctx: any): void {
    const { spentCents, tier } = ctx.state.account.get() ?? { spentCents: 0, tier: "free" };
    ctx.state.account.set({ spentCents: spentCents + cents, tier });
    const before = ctx.state.byShop.get(shop);
    ctx.state.byShop.set(shop, { cents: (before?.cents ?? 0) + cents, visits: (before?.visits ?? 0) + 1 });
    ctx.state.recent.push({ cents: cents + 0.5 });
    ctx.state.aNew.set(ctx.state.aNew.get() + 1);
    ctx.windows.minute.add({ cents });
    ctx.timers.idle.after("30s");
  },
};
const v2 = declaredV2.handle({
  on,
  onWindow: { minute: ({ cents }, ctx) => ctx.out.out.emit(`window ${cents}`) },
  onTimer: { idle: (_timer, ctx) => ctx.out.out.emit("idle") },
  migrate: {
    1: { account: migrate(AccountV1, ({ spent }) => ({ spentCents: spent, tier: spent > 100 ? ("gold" as const) : ("free" as const) })) },
  },
});

/** Far more keys than a task caches in its smallest shape, out of order. */
function before() {
  const t = testProcessor(v1);
  for (let i = 0; i < 60; i++) t.when.spending(`u${i % 7}`, { cents: i, shop: `s${i % 3}` }, 1_000 * i - (i % 4) * 500);
  t.then.out();
  return t;
}

describe("a version that begins with the state of an older one", () => {
  test("has its values migrated, its entries and items read by the new schemas, and its windows and timers as they were", () => {
    const old = before();
    const t = testProcessor(v2, { startFrom: old });
    for (let u = 0; u < 7; u++) {
      const is = Array.from({ length: 60 }, (_, i) => i).filter((i) => i % 7 === u);
      const spent = is.reduce((sum, i) => sum + i, 0);
      const { account, byShop, recent, seen, aNew } = t.stateOf(`u${u}`);
      expect(account.get()).toEqual({ spentCents: spent, tier: spent > 100 ? "gold" : "free" });
      for (const shop of ["s0", "s1", "s2"]) {
        const cents = is.filter((i) => `s${i % 3}` === shop).reduce((sum, i) => sum + i, 0);
        expect(byShop.get(shop)).toEqual({ cents, visits: 0 });
        expect(seen.get(shop)).toBe(true);
      }
      expect([...recent]).toEqual(is.slice(-3).map((cents) => ({ cents })));
      expect(aNew.get()).toBe(0);
    }
    // Contributions of both are in the window; the timer that v1 set fires, unless v2 set it again.
    t.when.spending("u1", { cents: 1_000, shop: "s0" }, 59_999);
    t.when.timePasses(200_000);
    const u1 = Array.from({ length: 60 }, (_, i) => i).filter((i) => i % 7 === 1 && 1_000 * i - (i % 4) * 500 < 60_000);
    const emitted = t.then.out().filter((one) => one.key === "u1");
    expect(emitted.map(({ value }) => value)).toEqual([`window ${u1.reduce((sum, i) => sum + i, 0) + 1_000}`, "idle"]);
    expect(t.stateOf("u1").aNew.get()).toBe(1);
    t.checkReplay();
  });

  test("goes on as if it had been that version all along, and expires what it has to", () => {
    const t = testProcessor(v2, { startFrom: before() });
    t.when.spending("x", { cents: 1, shop: "s0" }, 2 * 3_600_000);
    // byShop has a time to live now, counted from the start; seen has none any more.
    expect(t.stateOf("u1").byShop.get("s0")).not.toBeUndefined();
    t.when.spending("x", { cents: 1, shop: "s0" }, 3_600_000 * 3);
    expect(t.stateOf("u1").byShop.get("s0")).toBeUndefined();
    expect(t.stateOf("u1").seen.get("s0")).toBe(true);
    t.checkReplay();
  });

  test("leaves behind what is reset, windows too", () => {
    const reset = declaredV2.handle({
      on,
      onWindow: { minute: ({ cents }, ctx) => ctx.out.out.emit(`window ${cents}`) },
      onTimer: { idle: (_timer, ctx) => ctx.out.out.emit("idle") },
      migrate: { 1: { account: "reset", minute: "reset" } },
    });
    const t = testProcessor(reset, { startFrom: before() });
    expect(t.stateOf("u1").account.get()).toBeUndefined();
    t.when.timePasses(200_000);
    expect(new Set(t.then.out().map(({ value }) => value))).toEqual(new Set(["idle"]));
  });
});

const handlers = { on: { spending() {} }, onWindow: { minute() {} }, onTimer: { idle() {} } };
const changed = (more: object) => processor({ ...declaredV1, version: 2, ...more } as typeof declaredV1);

test.each<[string, object, string]>([
  [
    "a field that is new",
    { state: { account: state.value(s.record("Account", { spent: s.int, name: s.string, age: s.int })) } },
    "state.account: Account.age is new",
  ],
  [
    "a field of another type",
    { state: { recent: state.list(s.record("Item", { cents: s.string })) } },
    "state.recent: Item.cents was int (32 bits), is string",
  ],
  ["another kind of state", { state: { gone: state.list(s.int) } }, "state.gone: was a value, is a list"],
  ["another key of a map", { state: { byShop: state.map(s.long, s.int) } }, "state.byShop: its keys have another schema"],
  [
    "a list with a time to live",
    { state: { recent: state.list(s.record("Item", { cents: s.int }), { ttl: "1h" }) } },
    "state.recent: a list can't",
  ],
  [
    "another window",
    { windows: { minute: windows.tumbling({ size: "2m", aggregate: { cents: "sum" } }) } },
    'windows.minute: sizeMs changed; "reset" it',
  ],
  ["another timer", { timers: { idle: timer({ id: s.string }) } }, "timers.idle: its id has another schema"],
  ["a new input", { inputs: { spending, more: topic("more", { key: user, value: json(Spent) }) } }, "input more: v1 does not read it"],
])("%s is refused by name", (_what, more, message) => {
  const on = { spending() {}, ...("inputs" in more ? { more() {} } : {}) };
  const next = changed(more).handle({ ...handlers, on } as never);
  expect(() => testProcessor(next, { startFrom: before() })).toThrow(message);
});

test("a migrate from another schema than the older version had is refused", () => {
  const next = declaredV2.handle({
    ...handlers,
    migrate: { 1: { account: migrate(s.record("Account", { spent: s.long }), () => ({ spentCents: 0, tier: "free" as const })) } },
  });
  expect(() => testProcessor(next, { startFrom: before() })).toThrow("state.account: migrate() is from another schema than v1 declares");
});

test("a function that throws names the state's key", () => {
  const next = declaredV2.handle({
    ...handlers,
    migrate: {
      1: {
        account: migrate(AccountV1, () => {
          throw new Error("no such tier");
        }),
      },
    },
  });
  expect(() => testProcessor(next, { startFrom: before() })).toThrow(
    /accounts v2 from v1: a row of key "u\d" can't be migrated: no such tier/,
  );
});
