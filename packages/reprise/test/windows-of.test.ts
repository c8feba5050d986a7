import { json, key, processor, s, topic, windows } from "reprise";
import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";

const minuteMs = 60_000;
const sensor = key("sensor", s.string);
const readings = topic("readings", { key: sensor, value: json(s.double) });
const minutes = processor({
  ...{ name: "minutes", version: 1, key: sensor, inputs: { readings } },
  windows: { minute: windows.tumbling({ size: "1m", grace: "2m", emit: "none", aggregate: { value: ["sum", "max"] } }) },
}).handle({ on: { readings: (value, ctx) => ctx.windows.minute.add({ value }) } });

test("a test reads windows as views do: what was committed and is open, without view: true", () => {
  const t = testProcessor(minutes);
  const { minute } = t.windowsOf("s-1");
  expect(minute.current()).toBeUndefined();
  expect(minute.between(-minuteMs, 10 * minuteMs)).toEqual([]);
  t.when.readings("s-1", 3, 10_000);
  t.when.readings("s-1", 4, 20_000);
  t.when.readings("s-2", 9, 30_000);
  t.when.readings("s-1", 5, 70_000);
  const zero = { count: 2, value: { sum: 7, max: 4 } };
  const one = { count: 1, value: { sum: 5, max: 5 } };
  expect(minute.current()).toEqual(one);
  expect(minute.current(59_999)).toEqual(zero);
  expect(minute.current(2 * minuteMs)).toBeUndefined();
  expect(t.windowsOf("s-2").minute.between(0, 2 * minuteMs)).toEqual([
    { start: 0, end: minuteMs, value: { count: 1, value: { sum: 9, max: 9 } } },
  ]);
  expect(minute.between(0, minuteMs + 1)).toEqual([
    { start: 0, end: minuteMs, value: zero },
    { start: minuteMs, end: 2 * minuteMs, value: one },
  ]);
  expect(minute.between(1, minuteMs)).toEqual([]);
  t.when.timePasses(3 * minuteMs);
  expect(minute.between(0, 10 * minuteMs)).toEqual([{ start: minuteMs, end: 2 * minuteMs, value: one }]);
});
