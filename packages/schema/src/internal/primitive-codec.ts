import { fail } from "./misfit.ts";
import type { PrimitiveKind } from "./schema-node.ts";
import { utf8Text } from "./utf8-text.ts";

/** The bytes of a bare primitive: what Kafka's own serializers write. Values are checked before `encode`. */
export interface PrimitiveCodec {
  /** Exact length in bytes; undefined: any. */
  readonly lengthBytes: number | undefined;
  encode(value: never): Buffer;
  /** Calls `fail` for bytes that are not of the kind. The length was checked. */
  decode(bytes: Buffer, start: number, end: number): unknown;
}

const long: PrimitiveCodec = {
  lengthBytes: 8,
  encode(value: number) {
    const bytes = Buffer.allocUnsafe(8);
    // Two halves instead of a BigInt: floor keeps the low half unsigned for negative values too.
    bytes.writeInt32BE(Math.floor(value / 2 ** 32), 0);
    bytes.writeUInt32BE(value - Math.floor(value / 2 ** 32) * 2 ** 32, 4);
    return bytes;
  },
  decode(bytes, start) {
    const value = bytes.readInt32BE(start) * 2 ** 32 + bytes.readUInt32BE(start + 4);
    return Number.isSafeInteger(value) ? value : fail();
  },
};

export const primitiveCodecs: { readonly [K in PrimitiveKind]: PrimitiveCodec } = {
  string: {
    lengthBytes: undefined,
    encode: (value: string) => Buffer.from(value, "utf8"),
    decode: utf8Text,
  },
  bytes: {
    lengthBytes: undefined,
    encode: (value: Uint8Array) => Buffer.from(value),
    decode: (bytes, start, end) => new Uint8Array(bytes.subarray(start, end)),
  },
  boolean: {
    lengthBytes: 1,
    encode: (value: boolean) => Buffer.from([value ? 1 : 0]),
    decode: (bytes, start) => (bytes[start] === 1 ? true : bytes[start] === 0 ? false : fail()),
  },
  int: {
    lengthBytes: 4,
    encode(value: number) {
      const bytes = Buffer.allocUnsafe(4);
      bytes.writeInt32BE(value, 0);
      return bytes;
    },
    decode: (bytes, start) => bytes.readInt32BE(start),
  },
  long,
  timestamp: long,
  double: {
    lengthBytes: 8,
    encode(value: number) {
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeDoubleBE(value, 0);
      return bytes;
    },
    decode: (bytes, start) => bytes.readDoubleBE(start),
  },
  bigint: {
    lengthBytes: 8,
    encode(value: bigint) {
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeBigInt64BE(value, 0);
      return bytes;
    },
    decode: (bytes, start) => bytes.readBigInt64BE(start),
  },
};
