import { json, key, processor, s, table, timer, topic, windows } from "reprise";
import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";

const order = key("order", s.string);
const Placed = s.record("Placed", { cents: s.long });
const Shipped = s.record("Shipped", { by: s.string });
const placed = topic("placed", { key: order, value: json(Placed), outOfOrder: "1m" });
const shipped = topic("shipped", { key: order, value: json(Shipped), outOfOrder: "1m" });
const statuses = table("statuses", { key: order, value: json(s.string) });
const out = topic("out", { key: order, value: json(s.string) });

const shipping = processor({
  ...{ name: "shipping", version: 1, key: order, inputs: { placed, shipped }, tables: { statuses }, outputs: { out } },
  windows: { delivery: windows.join({ left: Placed, right: Shipped, within: "2d", unmatched: "both" }) },
  timers: { remind: timer() },
}).handle({
  on: {
    placed: (value, ctx) => ctx.windows.delivery.left(value),
    shipped: (value, ctx) => ctx.windows.delivery.right(value),
  },
  onWindow: {
    delivery({ left, right }, ctx) {
      const status = ctx.tables.statuses.get() ?? "new";
      if (left === null) ctx.out.out.emit(`shipped by ${right?.by ?? ""}, never placed (${status})`);
      else if (right !== null)
        ctx.out.out.emit(`${left.cents} shipped by ${right.by} after ${ctx.window.end - 1 - ctx.window.start} ms (${status})`);
      else {
        ctx.out.out.emit(`${left.cents} overdue since ${ctx.timestamp} (${status})`);
        ctx.timers.remind.after("1d");
      }
    },
  },
  onTimer: { remind: ({ due }, ctx) => ctx.out.out.emit(`reminded ${due}`) },
});

const hour = 3_600_000;
const day = 24 * hour;

test("orders are joined with what was shipped; what is missing is told of when two days are over, as of then", () => {
  const t = testProcessor(shipping);
  t.when.placed("o1", { cents: 1 }, 0);
  t.when.placed("o2", { cents: 2 }, hour);
  t.given.statuses("o2", "paid", hour);
  t.when.shipped("o1", { by: "rail" }, 5 * hour);
  t.when.shipped("o1", { by: "road" }, 2 * day);
  t.given.statuses("o2", "cancelled", 2 * day + 2 * hour);
  t.when.shipped("o3", { by: "air" }, 2 * day + hour + 60_000);
  expect(t.then.out().map(({ value }) => value)).toEqual([
    "1 shipped by rail after 18000000 ms (new)",
    "1 shipped by road after 172800000 ms (new)",
  ]);
  t.when.timePasses(5 * day);
  expect(t.then.out().map(({ value }) => value)).toEqual([
    `2 overdue since ${2 * day + hour} (paid)`,
    `reminded ${3 * day + hour}`,
    "shipped by air, never placed (new)",
  ]);
  t.checkReplay();
});
