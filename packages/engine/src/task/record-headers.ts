import type { RecordColumns } from "../ports/log-reader.ts";

const none: { readonly [name: string]: string } = Object.freeze(Object.create(null) as { [name: string]: string });

/** Where the headers of record `i` end in `bytes`. @throws RangeError when they do not lie within */
export function headersEnd({ bytes, headerStarts }: RecordColumns, i: number): number {
  const start = headerStarts[i] as number;
  if (bytes[start] === 0) return start + 1;
  const from = new HeaderBytes(bytes, start, i);
  // A name and a value each.
  for (let parts = 2 * from.varint(); parts > 0; parts--) {
    const length = from.varint();
    if (length > 0) from.at += length;
  }
  if (from.at > bytes.length) throw from.cutOff();
  return from.at;
}

/** Reads the headers of record `i` from `at` on. */
class HeaderBytes {
  at: number;
  private readonly bytes: Buffer;
  private readonly i: number;

  constructor(bytes: Buffer, at: number, i: number) {
    this.bytes = bytes;
    this.at = at;
    this.i = i;
  }

  /** @throws RangeError */
  varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++];
      if (byte === undefined || shift > 28) throw this.cutOff();
      value |= (byte & 127) << shift;
      if (byte < 128) return (value >>> 1) ^ -(value & 1);
    }
  }

  cutOff(): RangeError {
    return new RangeError(`The headers of record ${this.i} are cut off.`);
  }
}

/**
 * The headers of record `i`, parsed when asked: most handlers never look. Values are read as UTF-8; a header whose value is null reads as
 * an empty string, and of several with one name the last one counts.
 * @throws RangeError when the columns hold no record `i`, or its headers do not lie within `bytes`
 */
export function readHeaders(columns: RecordColumns, i: number): { readonly [name: string]: string } {
  if (!Number.isInteger(i) || i < 0 || i >= columns.count) throw new RangeError(`There is no record ${i} in columns of ${columns.count}.`);
  const { bytes } = columns;
  const from = new HeaderBytes(bytes, columns.headerStarts[i] as number, i);
  const text = (): string => {
    const length = from.varint();
    if (length <= 0) return "";
    const end = from.at + length;
    if (end > bytes.length) throw from.cutOff();
    const found = bytes.toString("utf8", from.at, end);
    from.at = end;
    return found;
  };
  const count = from.varint();
  if (count === 0) return none;
  // Without a prototype, a header named `__proto__` is a header.
  const headers = Object.create(null) as { [name: string]: string };
  for (let n = 0; n < count; n++) {
    const name = text();
    headers[name] = text();
  }
  return headers;
}
