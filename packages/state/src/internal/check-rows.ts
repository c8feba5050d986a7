import type { RowWrite } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";

/** Before anything is written: the native code would stop in the middle, and its error would look like a broken store. @throws RepriseError INVALID_ARGUMENT */
export function checkRows(rows: readonly RowWrite[]): void {
  for (let at = 0; at < rows.length; at += 1) {
    const { key, value } = rows[at] as RowWrite;
    if (key instanceof Uint8Array && (value === null || value instanceof Uint8Array)) continue;
    const what = key instanceof Uint8Array ? "value" : "key";
    throw new RepriseError("INVALID_ARGUMENT", `The ${what} of row ${at} of a batch is not bytes.`, { details: { row: at } });
  }
}
