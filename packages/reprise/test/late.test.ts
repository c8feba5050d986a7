import { json, key, processor, s, topic, windows } from "reprise";
import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";

const user = key("user", s.string);
const Value = s.record("Value", { n: s.long });
const values = topic("values", { key: user, value: json(Value) });

test("onError.late is what windows do that say nothing of late contributions", () => {
  const small = { size: "10ms", emit: "none", aggregate: { n: "sum" } } as const;
  const late = processor({
    ...{ name: "late", version: 1, key: user, inputs: { values }, onError: { late: "dead-letter" } },
    windows: {
      silent: windows.tumbling(small),
      dropping: windows.tumbling({ ...small, late: "drop" }),
      handling: windows.tumbling({ ...small, late: "handle" }),
      joined: windows.join({ left: Value, right: Value, within: "10ms" }),
      ever: windows.global({ emit: "none", aggregate: { n: "sum" } }),
    },
  }).handle({
    on: {
      values({ n }, ctx) {
        for (const name of ["silent", "dropping", "handling", "ever"] as const) ctx.windows[name].add({ n });
        ctx.windows.joined.left({ n });
      },
    },
    onWindow: { joined() {} },
    onLate: { handling() {} },
  });
  const t = testProcessor(late);
  t.when.values("u", { n: 1 }, 100);
  t.when.values("u", { n: 2 }, 5);
  const reasons = t.then.deadLetters().map(({ reason }) => reason);
  expect(reasons).toHaveLength(2);
  expect(reasons[0]).toContain("late for window silent [0, 10)");
  expect(reasons[1]).toContain("late for window joined");
  t.checkReplay();
});
