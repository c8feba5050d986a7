import { fail } from "./misfit.ts";

/** Node's Buffers have it, their types do not; `toString("utf8", …)` looks the encoding up for every record. */
type Sliceable = { utf8Slice(start: number, end: number): string };

/**
 * The text of UTF-8 bytes; calls `fail` when they are not UTF-8. Node puts U+FFFD in the place of bad bytes, and what reads so
 * would be written as other bytes: another key, another row. Only text that has U+FFFD is looked at twice.
 */
export function utf8Text(bytes: Buffer, start: number, end: number): string {
  const text = (bytes as unknown as Sliceable).utf8Slice(start, end);
  if (text.includes("\ufffd") && !bytes.subarray(start, end).equals(Buffer.from(text, "utf8"))) fail();
  return text;
}
