// What surrounds a processor: tests, a webhook, a typed client, config, zod, a migration, helpers in another file.
import { z } from "zod";
import fraud from "./1-fraud.ts";
import fridges, { alerts } from "./3-iot.ts";
import type sessions from "./5-sessions.ts";
import { user } from "./5-sessions.ts";
import type airportDelays from "./2-airport.ts";
import { effect, json, key, migrate, processor, s, state, topic, windows, type HandlersOf } from "reprise";
import { connect } from "reprise/client";
import { defineConfig, env } from "reprise/config";
import { testProcessor } from "reprise/testing";

// test: given / when / then
const t = testProcessor(fraud, { params: { maxPayments: 1, maxCents: 500_000, defaultLimitCents: 1_000_000 } });
t.given.merchants("m1", { category: "books", limitCents: 10_000 });
t.when.payments("card-1", { paymentId: "p1", merchantId: "m1", cents: 20_000 }, "2024-01-01T10:00:00Z");
t.when.payments("card-1", { paymentId: "p2", merchantId: "m1", cents: 100 }, "2024-01-01T10:01:00Z");
const reasons: readonly ("amount" | "velocity")[][] = t.then.scored().map((r) => [...r.value.reasons]); // [["amount"], ["velocity"]]
const seen: string | undefined = t.stateOf("card-1").lastFlagged.get()?.paymentId;
t.checkReplay();

const fridge = testProcessor(fridges);
fridge.when.readings("f1", { celsius: -5, at: 0 }, 0);
fridge.when.timePasses(301_000);
const kinds: readonly string[] = fridge.then.alerts().map((a) => a.value.kind);

// side effect, safely
export const page = effect({
  name: "page-oncall",
  input: alerts,
  secrets: ["PAGER_URL"],
  retry: { attempts: 8, backoff: "1s", then: "dead-letter" },
  async run(alert, ctx) {
    await fetch(ctx.secrets.PAGER_URL, {
      method: "POST",
      signal: ctx.signal,
      headers: { "idempotency-key": ctx.idempotencyKey },
      body: JSON.stringify(alert),
    });
  },
});

// typed reads of views, without importing code (import type works)
export async function features(userId: string): Promise<{ products: number; cents: number }> {
  const reprise = connect<typeof sessions>("sessions", { url: "http://localhost:7070" });
  const visit = await reprise.visit.current(userId, { atLeast: "opaque", timeout: "200ms" });
  return { products: visit?.value.products ?? 0, cents: visit?.value.cents ?? 0 };
}
for await (const hour of connect<typeof airportDelays>("airport-delays", { url: "http://localhost:7070" }).byHour.between(
  "JFK",
  0,
  Date.now(),
)) {
  const p95: number = hour.value.delay.p95;
  void p95;
  void hour.start;
}

// zod in, no second schema language
const Order = z.object({ id: z.string(), cents: z.number().int(), coupon: z.string().nullable() });
const orders = topic("orders", { key: user, value: json(Order) });
const untyped = topic("legacy", { key: user, value: json<{ readonly a: number }>() });

// v2 from v1's checkpoint, an index, handlers in parts
const AccountV1 = s.record("Account", { spent: s.long });
const Account = s.record("Account", { spentCents: s.long, tier: s.oneOf("Tier", "free", "gold") });
const declared = processor({
  name: "accounts",
  version: 2,
  key: user,
  inputs: { orders, untyped },
  state: {
    account: state.value(Account, { initial: { spentCents: 0, tier: "free" }, view: { index: ["tier"] } }),
    seen: state.map(s.string, s.long, { ttl: "1d", view: true }),
  },
});
const on: HandlersOf<typeof declared>["on"] = {
  orders(order, ctx) {
    if (order.cents < 0) return ctx.reject("negative amount");
    if (ctx.state.seen.has(order.id)) return;
    ctx.state.seen.set(order.id, ctx.timestamp);
    ctx.state.account.update((a) => {
      a.spentCents += order.cents;
      if (a.spentCents > 1e6) a.tier = "gold";
    });
  },
  untyped() {},
};
const accounts = declared.handle({
  on,
  migrate: { 1: { account: migrate(AccountV1, (old) => ({ spentCents: old.spent * 100, tier: "free" as const })), seen: "reset" } },
});
for await (const row of connect<typeof accounts>("accounts", { url: "" }).account.find({ tier: "gold" }, { limit: 50 })) {
  const k: string = row.key;
  void k;
}
for await (const [id, at] of connect<typeof accounts>("accounts", { url: "" }).seen.entries("u1", { from: "a", limit: 10 })) {
  const i: string = id;
  const n: number = at;
  void i;
  void n;
}

// stream-to-stream join: a window with two sides
const Shipped = s.record("Shipped", { orderId: s.string });
const Placed = s.record("Placed", { orderId: s.string, cents: s.long });
const order = key("order", s.string);
const placed = topic("placed", { key: order, value: json(Placed), outOfOrder: "1m" }),
  shipped = topic("shipped", { key: order, value: json(Shipped), outOfOrder: "1m" });
const overdue = topic("overdue", { key: order, value: json(Placed) });
export const shipping = processor({
  name: "shipping",
  version: 1,
  key: order,
  inputs: { placed, shipped },
  outputs: { overdue },
  windows: { delivery: windows.join({ left: Placed, right: Shipped, within: "2d", unmatched: "left" }) },
}).handle({
  on: { placed: (o, ctx) => ctx.windows.delivery.left(o), shipped: (x, ctx) => ctx.windows.delivery.right(x) },
  onWindow: {
    delivery({ left, right }, ctx) {
      if (right === null) ctx.out.overdue.emit(left);
    },
  },
});

// reprise.config.ts
export default defineConfig({
  processors: ["processors/*.ts"],
  effects: ["effects/*.ts"],
  kafka: {
    brokers: env("KAFKA_BROKERS", "localhost:9092"),
    tls: true,
    sasl: { mechanism: "scram-sha-512", username: env("KAFKA_USER"), password: env("KAFKA_PASSWORD") },
  },
  topics: { prefix: "staging.", rename: { flights: "ops.flights.v3" }, create: false, replication: 3 },
  checkpoints: { url: "s3://bucket/reprise", every: "1m", keep: 3 },
  params: { fraud: { maxPayments: 4 } },
});
void reasons;
void seen;
void kinds;
