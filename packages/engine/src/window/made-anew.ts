import { RepriseError } from "@reprise/schema";
import type { WindowSlot } from "../definition/compiled-slot.ts";
import { decodeContribution } from "./contribution-codec.ts";
import type { Item } from "./window-items.ts";
import type { MutableWindowRow } from "./window-row.ts";

/**
 * Adds a window's items to an empty row, in the order of their puts.
 * @param fields names of the window's aggregates @param count how many there have to be
 * @throws RepriseError HANDLER_FAILED when an own fold throws · STATE_CORRUPT
 */
export function takeAnew(
  row: MutableWindowRow,
  items: readonly Item[],
  count: number,
  { layout, name }: WindowSlot,
  fields: readonly string[],
  start: number,
): void {
  if (items.length !== count)
    throw new RepriseError("STATE_CORRUPT", `window ${name} at ${start} has ${count} items, of which ${items.length} are there`);
  try {
    for (const { place, content } of items.toSorted((a, b) => a.place.put - b.place.put))
      layout.add(row, decodeContribution(content.values, fields), place.timeMs);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RepriseError("HANDLER_FAILED", `window ${name} at ${start}, made anew from its items: ${reason}`, {
      details: { window: name, start },
      cause,
    });
  }
}
