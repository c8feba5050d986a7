import type { RecordColumns } from "../ports/log-reader.ts";

const none: { readonly [name: string]: string } = Object.freeze(Object.create(null) as { [name: string]: string });

/** Where the headers of record `i` end in `bytes`. @throws RangeError when they do not lie within */
export function headersEnd({ bytes, headerStarts }: RecordColumns, i: number): number {
  let at = headerStarts[i] as number;
  if (bytes[at] === 0) return at + 1;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 28) throw new RangeError(`The headers of record ${i} are cut off.`);
      value |= (byte & 127) << shift;
      if (byte < 128) return (value >>> 1) ^ -(value & 1);
    }
  };
  // A name and a value each.
  for (let parts = 2 * varint(); parts > 0; parts--) {
    const length = varint();
    if (length > 0) at += length;
  }
  if (at > bytes.length) throw new RangeError(`The headers of record ${i} are cut off.`);
  return at;
}

/**
 * The headers of record `i`, parsed when asked: most handlers never look. Values are read as UTF-8; a header whose value is null reads as
 * an empty string, and of several with one name the last one counts.
 * @throws RangeError when the columns hold no record `i`, or its headers do not lie within `bytes`
 */
export function readHeaders(columns: RecordColumns, i: number): { readonly [name: string]: string } {
  if (!Number.isInteger(i) || i < 0 || i >= columns.count) throw new RangeError(`There is no record ${i} in columns of ${columns.count}.`);
  const { bytes } = columns;
  let at = columns.headerStarts[i] as number;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      if (byte === undefined || shift > 28) throw new RangeError(`The headers of record ${i} are cut off.`);
      value |= (byte & 127) << shift;
      if (byte < 128) return (value >>> 1) ^ -(value & 1);
    }
  };
  const text = (): string => {
    const length = varint();
    if (length <= 0) return "";
    const end = at + length;
    if (end > bytes.length) throw new RangeError(`The headers of record ${i} are cut off.`);
    const found = bytes.toString("utf8", at, end);
    at = end;
    return found;
  };
  const count = varint();
  if (count === 0) return none;
  // Without a prototype, a header named `__proto__` is a header.
  const headers = Object.create(null) as { [name: string]: string };
  for (let n = 0; n < count; n++) {
    const name = text();
    headers[name] = text();
  }
  return headers;
}
