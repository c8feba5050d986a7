import type { KeyRange } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";

/** @throws RepriseError INVALID_ARGUMENT for a limit that is none */
export function rangeLimit(range: KeyRange): number {
  const { limit } = range;
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new RepriseError("INVALID_ARGUMENT", `limit is ${limit}; it has to be an integer of 0 or more.`, { details: { limit } });
  }
  return limit;
}

/** No key can lie in it: `to` is exclusive, and nothing sorts before the empty key. */
export function isEmptyRange(range: KeyRange): boolean {
  const { from, to } = range;
  if (to === undefined) return false;
  return to.length === 0 || (from !== undefined && Buffer.compare(from, to) >= 0);
}
