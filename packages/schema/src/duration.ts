import { RepriseError } from "./errors/reprise-error.ts";

/** 1h, 30s, 7d: the same notation in code, config, CLI and manifest. A bare number is a type error, so is "1 hour". */
export type Duration = `${number}${"ms" | "s" | "m" | "h" | "d"}`;

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Digits with an optional fraction and one unit: `1e3s` and `0x1s` satisfy the template type, but nobody means them. */
const pattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/**
 * Milliseconds of a duration, a whole number ≥ 0. `what` names the setting in the error.
 * @throws RepriseError INVALID_ARGUMENT when it is not of the notation or not a whole number of milliseconds
 */
export function parseDuration(duration: Duration, what = "duration"): number {
  const match = typeof duration === "string" ? pattern.exec(duration) : null;
  if (match === null) {
    const got = typeof duration === "string" ? JSON.stringify(duration) : `${typeof duration} ${String(duration)}`;
    throw new RepriseError("INVALID_ARGUMENT", `${what}: expected a duration such as "500ms", "30s", "5m", "1h" or "7d", got ${got}`, {
      details: { what, got },
    });
  }
  const ms = Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
  // 0.1 + 0.2 style dust of the multiplication is no fraction; "0.5ms" is.
  const wholeMs = Math.round(ms);
  if (!Number.isSafeInteger(wholeMs) || Math.abs(ms - wholeMs) > 1e-6) {
    throw new RepriseError("INVALID_ARGUMENT", `${what}: ${duration} is not a whole number of milliseconds`, {
      details: { what, got: duration },
    });
  }
  return wholeMs;
}
