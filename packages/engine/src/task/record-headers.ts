import { RepriseError } from "@reprise/schema";
import { utf8 } from "../internal/latin1.ts";
import type { RecordColumns } from "../ports/log-reader.ts";

/** Headers of a record, parsed on demand: values as UTF-8; a key that occurs twice keeps its last value. */
export function readHeaders(columns: RecordColumns, index: number): { readonly [name: string]: string } {
  const { bytes } = columns;
  let p = columns.headerStarts[index] as number;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[p++];
      if (byte === undefined) throw new RepriseError("RECORD_UNDECODABLE", "the headers of the record are cut off");
      value |= (byte & 127) << shift;
      if (byte < 128) return (value >>> 1) ^ -(value & 1);
    }
  };
  // Without a prototype: a header named `__proto__` is a header.
  const headers = Object.create(null) as { [name: string]: string };
  for (let left = varint(); left > 0; left--) {
    const keyLength = varint();
    const name = utf8(bytes, p, p + keyLength);
    p += keyLength;
    const valueLength = varint();
    headers[name] = valueLength < 0 ? "" : utf8(bytes, p, p + valueLength);
    p += Math.max(0, valueLength);
  }
  return headers;
}
