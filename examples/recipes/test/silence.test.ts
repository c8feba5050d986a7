import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";
import silence from "../src/silence.ts";

const minuteMs = 60_000;

test("silence is told once, by the clock alone, and so is its end", () => {
  const t = testProcessor(silence);
  const ping = (device: string, minute: number): void => t.when.pings(device, { at: minute * minuteMs }, minute * minuteMs);
  const told = () => t.then.statuses().map(({ key, value, timestamp }) => ({ key, ...value, minute: timestamp / minuteMs }));
  ping("d-1", 0);
  ping("d-2", 3);
  ping("d-1", 5);
  ping("d-1", 4.9); // overtaken
  t.when.timePasses(13 * minuteMs + 9_999);
  expect(told()).toEqual([]);
  t.when.timePasses(13 * minuteMs + 10_000);
  expect(told()).toMatchObject([{ key: "d-2", silent: true, since: 3 * minuteMs }]);
  t.when.timePasses(60 * minuteMs);
  expect(told()).toMatchObject([{ key: "d-1", silent: true, since: 5 * minuteMs }]);
  ping("d-2", 61);
  ping("d-2", 62);
  expect(told()).toMatchObject([{ key: "d-2", silent: false, since: 61 * minuteMs }]);
  t.checkReplay();
});
