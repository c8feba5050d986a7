// What the compiler must reject: each line is an error today (tsc fails if one of them stops being one).
import { broadcast, events, ignore, json, key, processor, rekey, s, state, table, timer, topic, windows, type ContextOf } from "reprise";
const a = key("a", s.string),
  b = key("b", s.string);
const V = s.record("V", { n: s.int });
const ta = topic("ta", { key: a, value: json(V) }),
  tb = topic("tb", { key: b, value: json(V) });
const ea = events("ea", { key: a, by: { field: "type" }, of: { X: V, Y: V } });
const base = { name: "p", version: 1, key: a } as const;
const ok = processor({ ...base, inputs: { ta } });

// 1
// @ts-expect-error two string keys with different meanings (the sketch accepted this)
processor({ ...base, inputs: { tb } });
processor({ ...base, inputs: { tb: rekey(tb, { key: a, by: (v) => String(v.n) }) } });
// 2
// @ts-expect-error an input without a handler
ok.handle({ on: {} });
// 3
// @ts-expect-error async handler
ok.handle({ on: { async ta() {} } });
// 4
// @ts-expect-error an event type without a handler
processor({ ...base, inputs: { ea } }).handle({ on: { ea: { X() {} } } });
processor({ ...base, inputs: { ea } }).handle({ on: { ea: { X() {}, Y: ignore } } });
// 5
// @ts-expect-error timer without a handler
processor({ ...base, inputs: { ta }, timers: { t: timer() } }).handle({ on: { ta() {} } });
// 6
// @ts-expect-error window that emits without a handler
processor({ ...base, inputs: { ta }, windows: { w: windows.tumbling({ size: "1h", aggregate: { n: "sum" } }) } }).handle({
  on: { ta() {} },
});
processor({ ...base, inputs: { ta }, windows: { w: windows.tumbling({ size: "1h", aggregate: { n: "sum" }, emit: "none" }) } }).handle({
  on: { ta() {} },
});
// 7
// @ts-expect-error a bare number is no duration
windows.tumbling({ size: 3600, aggregate: {} });
// 8
// @ts-expect-error nor is a unit that does not exist
windows.tumbling({ size: "1 hour", aggregate: {} });
// 9
// @ts-expect-error misspelt option
windows.tumbling({ size: "1h", graze: "1m", aggregate: {} });
// 10
// @ts-expect-error unknown statistic
windows.tumbling({ size: "1h", aggregate: { n: "median" } });
const full = processor({
  ...base,
  inputs: { ta },
  tables: { m: broadcast(table("m", { key: b, value: V })) },
  outputs: { ta, tb },
  timers: { one: timer(), many: timer({ id: s.int }) },
  state: { v: state.value(V, { initial: { n: 0 } }), o: state.value(V) },
  windows: {
    w: windows.tumbling({ size: "1h", aggregate: { n: ["sum", "p99"] }, emit: "none" }),
    i: windows.session({ gap: "1h", aggregate: { n: "max" }, items: s.string, emit: "none" }),
  },
});
export function misuse(ctx: ContextOf<typeof full>): void {
  // 11
  // @ts-expect-error unknown output
  void ctx.out.nope;
  // 12
  // @ts-expect-error wrong payload
  ctx.out.ta.emit({ n: "1" });
  // 13
  // @ts-expect-error an output with another key needs that key
  ctx.out.tb.emit({ n: 1 });
  ctx.out.tb.emit({ n: 1 }, { key: "x" });
  // 14
  // @ts-expect-error state shape
  ctx.state.v.set({ m: 1 });
  // 15
  // @ts-expect-error no initial value: may be undefined
  void ctx.state.o.get().n;
  // 16
  // @ts-expect-error what get() returns is read-only
  ctx.state.v.get().n = 1;
  ctx.state.v.update((v) => {
    v.n += 1;
  });
  // 17
  // @ts-expect-error async update
  ctx.state.v.update(async (v) => {
    v.n += 1;
  });
  // 18
  // @ts-expect-error a statistic that was not declared
  void ctx.windows.w.current()?.n.mean;
  const p99: number | undefined = ctx.windows.w.current()?.n.p99;
  void p99;
  // 19
  // @ts-expect-error a window with items is put, not added
  ctx.windows.i.add({ n: 1 });
  // 20
  // @ts-expect-error a duration is not a time
  ctx.timers.one.at("5m");
  // 21
  // @ts-expect-error timers with an id need it
  ctx.timers.many.after("5m");
  // 22
  // @ts-expect-error a broadcast table is read by its own key
  ctx.tables.m.get();
}
// 23
// @ts-expect-error handlers for things that are not declared
ok.handle({ on: { ta() {} }, onTimer: { t() {} } });
// 24
// @ts-expect-error initial of the wrong shape
state.value(V, { initial: { m: 0 } });
// 25: what has no `view` is not in the client
import type sessions from "./5-sessions.ts";
import fraud from "./1-fraud.ts";
import { effect } from "reprise";
import { connect } from "reprise/client";
import { testProcessor } from "reprise/testing";
const client = connect<typeof sessions>("sessions", { url: "" });
void client.visit;
// @ts-expect-error state without a view
void client.segment;
void connect<typeof fraud>("fraud", { url: "" }).lastFlagged.get("card");
// 26
// @ts-expect-error a view without that index
void connect<typeof fraud>("fraud", { url: "" }).lastFlagged.find({ isFraud: true });
// 27
effect({
  name: "e",
  input: ta,
  secrets: ["A"],
  async run(_v, ctx) {
    // @ts-expect-error a secret that was not asked for
    void ctx.secrets.B;
  },
});
// 28
// @ts-expect-error an effect with an output must answer
effect({ name: "e", input: ta, output: ta, async run() {} });
// 29
// @ts-expect-error wrong value in a test
testProcessor(fraud).when.payments("c", { paymentId: 1 }, 0);
// 30
// @ts-expect-error migration of something that does not exist
full.handle({ on: { ta() {} }, onTimer: { one() {}, many() {} }, migrate: { 1: { nope: "reset" } } });
full.handle({
  on: { ta() {} },
  onTimer: {
    one() {},
    many(t) {
      const id: number = t.id;
      void id;
    },
  },
  migrate: { 1: { w: "reset" } },
});
// 31
// @ts-expect-error an unknown option of the processor
processor({ ...base, inputs: { ta }, output: { ta } });
