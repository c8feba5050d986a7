import { latin1 } from "../internal/latin1.ts";
import { RepriseError, type Schema, schemaRuntime } from "@reprise/schema";

/** Text whose UTF-8 bytes are its characters. */
const ascii = /^[\x00-\x7f]*$/;

/** Encodes the keys of a map state so that their byte order is their order. */
export interface OrderedKeyCodec {
  encode(value: unknown): Buffer;
  /** latin1 of `encode`: what rows are cached by. */
  id(value: unknown): string;
  decode(bytes: Buffer): unknown;
  /** The encoding of a string prefix, for range reads. */
  prefix(value: string): Buffer;
}

/** Strings by UTF-8, numbers by value, booleans, bytes; other keys are stored by their schema's encoding and have no useful order. */
export function orderedKeyCodec(schema: Schema<unknown>, what: string): OrderedKeyCodec {
  const runtime = schemaRuntime(schema);
  const prefix = (value: string): Buffer => {
    if (runtime.kind !== "string")
      throw new RepriseError("INVALID_ARGUMENT", `${what}: a prefix needs string keys, these are ${runtime.kind}`);
    return Buffer.from(value, "utf8");
  };
  switch (runtime.kind) {
    case "string":
    case "enum":
      return {
        encode: (v) => Buffer.from(v as string, "utf8"),
        id: (v) => {
          if (typeof v !== "string") throw new RepriseError("SCHEMA_INVALID", `${what}: a string key was expected, got ${typeof v}`);
          return ascii.test(v) ? v : latin1(Buffer.from(v, "utf8"));
        },
        decode: (b) => b.toString("utf8"),
        prefix,
      };
    case "int":
    case "long":
    case "timestamp":
    case "double":
      return {
        encode: (v) => encodeNumber(number(v, what)),
        id: (v) => latin1(encodeNumber(number(v, what))),
        decode: decodeNumber,
        prefix,
      };
    case "bytes":
      return { encode: (v) => bytes(v, what), id: (v) => latin1(bytes(v, what)), decode: (b) => Buffer.from(b), prefix };
    default:
      return {
        encode: (v) => runtime.encode(v),
        id: (v) => latin1(runtime.encode(v)),
        decode: (b) => runtime.decode(b, 0, b.length),
        prefix,
      };
  }
}

/** What is no number would be written as NaN, and found again under every other thing that is none. */
function number(value: unknown, what: string): number {
  if (typeof value === "number" && !Number.isNaN(value)) return value;
  throw new RepriseError("SCHEMA_INVALID", `${what}: a number key was expected, got ${typeof value === "number" ? "NaN" : typeof value}`);
}

function bytes(value: unknown, what: string): Buffer {
  if (value instanceof Uint8Array) return Buffer.from(value);
  throw new RepriseError("SCHEMA_INVALID", `${what}: bytes were expected as key, got ${typeof value}`);
}

const scratch = new DataView(new ArrayBuffer(8));

/** IEEE 754 doubles sort as bytes once the sign bit is flipped, and all bits of negative ones. −0 is written as 0. */
export function encodeNumber(value: number): Buffer {
  const out = Buffer.allocUnsafe(8);
  writeNumber(out, value, 0);
  return out;
}

/** The same into a buffer: 8 bytes at `at`. */
export function writeNumber(out: Buffer, value: number, at: number): void {
  scratch.setFloat64(0, value === 0 ? 0 : value);
  const high = scratch.getInt32(0);
  const low = scratch.getInt32(4);
  out.writeInt32BE(high < 0 ? ~high : high ^ signBit, at);
  out.writeInt32BE(high < 0 ? ~low : low, at + 4);
}

export const decodeNumber = (bytes: Buffer): number => readNumber(bytes, 0);

/** The same from within a buffer. */
export function readNumber(bytes: Buffer, at: number): number {
  const high = bytes.readInt32BE(at);
  const low = bytes.readInt32BE(at + 4);
  scratch.setInt32(0, high < 0 ? high ^ signBit : ~high);
  scratch.setInt32(4, high < 0 ? low : ~low);
  return scratch.getFloat64(0);
}

const signBit = -0x80000000;
