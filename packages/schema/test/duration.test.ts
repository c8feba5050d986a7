import { parseDuration, RepriseError } from "@reprise/schema";
import { expect, it } from "vitest";

it("reads durations as milliseconds", () => {
  expect([
    parseDuration("500ms"),
    parseDuration("30s"),
    parseDuration("5m"),
    parseDuration("1h"),
    parseDuration("7d"),
    parseDuration("1.5s"),
    parseDuration("0s"),
    parseDuration("1.1s"),
  ]).toEqual([500, 30_000, 300_000, 3_600_000, 604_800_000, 1_500, 0, 1_100]);
});

it.each(["", "1", "1 h", "h", "-1s", "1e3s", "0x1s", "Infinitys", "1w", "0.5ms", "99999999999999999d", 5, null, undefined])(
  "refuses %j and names the setting",
  (wrong) => {
    try {
      parseDuration(wrong as never, "windows.tumbling: size");
    } catch (error) {
      expect(RepriseError.is(error) && error.code).toBe("INVALID_ARGUMENT");
      expect((error as Error).message).toMatch(/^windows\.tumbling: size: /);
      return;
    }
    throw new Error("expected an error");
  },
);
