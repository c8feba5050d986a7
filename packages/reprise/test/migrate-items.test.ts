import { json, key, processor, s, state, topic, windows } from "reprise";
import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";

const user = key("user", s.string);
const Item = s.record("Item", { id: s.string, n: s.int });
const items = topic("items", { key: user, value: json(Item), outOfOrder: "5s" });
const out = topic("out", { key: user, value: json(s.string) });
const sums = () => windows.tumbling({ size: "1m", emit: "end", grace: "1h", items: s.string, aggregate: { n: ["sum", "max"] } });

const declared = {
  ...{ name: "kept", version: 1, key: user, order: "event-time" as const, inputs: { items }, outputs: { out } },
  windows: { gone: sums(), kept: sums(), zero: sums() },
};
const emit = (name: string) => (r: any, ctx: any) => ctx.out.out.emit(`${name} ${r.count}: ${r.n.sum}, ${r.n.max}`);
const onItem =
  (names: readonly string[]) =>
  ({ id, n }: { id: string; n: number }, ctx: any) => {
    for (const name of names)
      if (n < 0) ctx.windows[name].remove(id);
      else ctx.windows[name].put(id, { n });
  };
const v1 = processor(declared).handle({
  on: { items: onItem(["gone", "kept", "zero"]) },
  onWindow: { gone: emit("gone"), kept: emit("kept"), zero: emit("zero") },
});
// Slots have other numbers, of items and of held records too.
const v2 = processor({
  ...declared,
  version: 2,
  state: { aNew: state.value(s.int), bNew: state.value(s.int) },
  windows: { kept: sums(), zero: sums() },
}).handle({
  on: { items: onItem(["kept", "zero"]) },
  onWindow: { kept: emit("kept"), zero: emit("zero") },
  migrate: { 1: { zero: "reset" } },
});

test("a version that begins with an older one's state has its items", () => {
  const before = testProcessor(v1);
  before.when.items("u", { id: "a", n: 5 }, 1_000);
  before.when.items("u", { id: "b", n: 3 }, 2_000);
  // Held.
  before.when.items("u", { id: "c", n: 1 }, 62_000);
  const t = testProcessor(v2, { startFrom: before });
  t.when.items("u", { id: "a", n: -1 }, 3_000);
  t.when.timePasses(66_000);
  expect(t.then.out().map(({ value }) => value)).toEqual(["kept 1: 3, 3"]);
  t.when.items("u", { id: "b", n: 7 }, 66_500);
  t.when.timePasses(130_000);
  expect(t.then.out().map(({ value }) => value)).toEqual(["kept 0: 0, NaN", "kept 2: 8, 7", "zero 2: 8, 7"]);
  t.checkReplay();
});
