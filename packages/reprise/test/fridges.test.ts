import { json, key, processor, s, state, timer, topic } from "reprise";
import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";

const device = key("device", s.string);
const Reading = s.record("Reading", { celsius: s.double, at: s.timestamp });
const Warm = s.record("Warm", { since: s.timestamp, celsius: s.double });
const readings = topic("readings", { key: device, value: json(Reading), time: (r) => r.at, outOfOrder: "10s" });
const alerts = topic("fridge-alerts", { key: device, value: json(Warm) });

/** Above −10 °C for five minutes. */
const fridges = (order: "log" | "event-time") =>
  processor({
    name: "fridges",
    version: 1,
    key: device,
    order,
    inputs: { readings },
    outputs: { alerts },
    state: { warm: state.value(Warm) },
    timers: { tooWarm: timer() },
  }).handle({
    on: {
      readings({ celsius }, ctx) {
        if (celsius <= -10) {
          ctx.state.warm.delete();
          ctx.timers.tooWarm.cancel();
          return;
        }
        if (ctx.state.warm.get() === undefined) ctx.timers.tooWarm.after("5m");
        ctx.state.warm.set({ since: ctx.state.warm.get()?.since ?? ctx.timestamp, celsius });
      },
    },
    onTimer: {
      tooWarm(_timer, ctx) {
        const warm = ctx.state.warm.get();
        if (warm !== undefined) ctx.out.alerts.emit(warm);
      },
    },
  });

const at = (minute: number, second = 0): number => Date.UTC(2026, 0, 5, 12, minute, second);

test("a cool reading of minute 6 does not cancel the alarm of minute 5, although it comes before the watermark has passed that", () => {
  const send = (order: "log" | "event-time") => {
    const t = testProcessor(fridges(order));
    t.when.readings("f-1", { celsius: -3, at: at(0) }, at(0));
    t.when.readings("f-1", { celsius: -4, at: at(4, 55) }, at(4, 55));
    t.when.readings("f-1", { celsius: -18, at: at(5, 5) }, at(5, 5));
    t.when.timePasses(at(30));
    t.checkReplay();
    return t.then.alerts();
  };
  expect(send("event-time")).toEqual([{ key: "f-1", value: { since: at(0), celsius: -4 }, timestamp: at(5) }]);
  // The order of the log is another question: the reading came before the watermark passed the alarm.
  expect(send("log")).toEqual([]);
});

test("readings that overtake each other within the bound give the same alarm", () => {
  const t = testProcessor(fridges("event-time"));
  t.when.readings("f-1", { celsius: -4, at: at(0, 8) }, at(0, 8));
  t.when.readings("f-1", { celsius: -18, at: at(0, 5) }, at(0, 9));
  t.when.readings("f-1", { celsius: -3, at: at(0, 1) }, at(0, 10));
  t.when.timePasses(at(5, 17));
  expect(t.then.alerts()).toEqual([]);
  t.when.timePasses(at(5, 18));
  expect(t.then.alerts()).toMatchObject([{ value: { since: at(0, 8), celsius: -4 }, timestamp: at(5, 8) }]);
  t.checkReplay();
});
