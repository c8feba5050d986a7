import { testProcessor } from "reprise/testing";
import { expect, test } from "vitest";
import listening from "../src/sessions.ts";

const minuteMs = 60_000;

test("a track within 20 minutes goes on with the session; one that comes late may join two", () => {
  const t = testProcessor(listening);
  const play = (listener: string, minute: number, track: string): void =>
    t.when.plays(listener, { at: minute * minuteMs, track }, minute * minuteMs);
  play("ann", 0, "a");
  play("ann", 20, "b");
  play("ann", 40.5, "c");
  play("bob", 100, "x");
  play("bob", 120.5, "z");
  play("bob", 120, "y"); // between them, and half a minute late
  t.when.timePasses(200 * minuteMs);
  expect(t.then.sessions().map(({ key, value }) => ({ key, ...value }))).toEqual([
    { key: "ann", from: 0, tracks: 2, opener: "a" },
    { key: "ann", from: 40.5 * minuteMs, tracks: 1, opener: "c" },
    { key: "bob", from: 100 * minuteMs, tracks: 3, opener: "x" },
  ]);
  t.checkReplay();
});
