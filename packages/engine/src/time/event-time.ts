import { RepriseError } from "@reprise/schema";

/** What JavaScript's dates can hold: some 270,000 years to both sides of 1970. */
export const maxEpochMs = 8.64e15;

/** Whether it can be an event time: finite, and within what dates can hold. Times before 1970 can. */
export function isEventTime(value: unknown): value is number {
  return typeof value === "number" && value >= -maxEpochMs && value <= maxEpochMs;
}

/** @throws RepriseError RECORD_UNDECODABLE naming `what` */
export function checkEventTime(value: unknown, what: string): number {
  if (isEventTime(value)) return value;
  throw new RepriseError("RECORD_UNDECODABLE", `${what} is ${String(value)}, a number of epoch ms within ±${maxEpochMs} was expected`);
}

/** @throws RepriseError RECORD_UNDECODABLE for an event time further ahead of the record's timestamp than its input allows */
export function checkAhead(timeMs: number, timestampMs: number, maxAheadMs: number): void {
  if (timeMs - checkEventTime(timestampMs, "the record's timestamp") <= maxAheadMs) return;
  throw new RepriseError(
    "RECORD_UNDECODABLE",
    `the event time ${timeMs} is ${timeMs - timestampMs} ms ahead of the record's timestamp; its input allows ${maxAheadMs} (maxAhead)`,
  );
}
