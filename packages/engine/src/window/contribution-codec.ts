import { RepriseError } from "@reprise/schema";
import { ByteReader, ByteWriter } from "./aggregates/bytes.ts";
import type { WindowValues } from "./keyed-window.ts";

const tags = {
  undefined: 0,
  null: 1,
  false: 2,
  true: 3,
  number: 4,
  string: 5,
  bigint: 6,
  bytes: 7,
  date: 8,
  array: 9,
  object: 10,
} as const;

/**
 * Values of a contribution as they were given, to be given again: what an own fold takes has no schema, so that any plain data goes. Fields stand in
 * the order of the declaration, those of objects in their own.
 * @param fields names of the window's aggregates
 * @throws RepriseError SCHEMA_INVALID naming window and field for what is no plain data: functions, class instances, maps and sets
 */
export function encodeContribution(values: WindowValues, fields: readonly string[], window: string): Buffer {
  const out = new ByteWriter(16 + 16 * fields.length);
  for (const field of fields) write(values[field], out, `window ${window}: ${field}`);
  return out.done();
}

export function decodeContribution(bytes: Buffer, fields: readonly string[]): WindowValues {
  const from = new ByteReader(bytes);
  const values: { [field: string]: unknown } = {};
  for (const field of fields) values[field] = read(from);
  return values;
}

function write(value: unknown, out: ByteWriter, what: string): void {
  switch (typeof value) {
    case "number":
      out.byte(tags.number);
      out.double(value);
      return;
    case "string":
      out.byte(tags.string);
      // UTF-16: UTF-8 has no lone surrogates.
      out.bytes(Buffer.from(value, "utf16le"));
      return;
    case "boolean":
      out.byte(value ? tags.true : tags.false);
      return;
    case "bigint":
      out.byte(tags.bigint);
      out.latin1(String(value));
      return;
    case "undefined":
      out.byte(tags.undefined);
      return;
    default:
      if (value === null) out.byte(tags.null);
      else writeObject(value as object, out, what);
  }
}

function writeObject(value: object, out: ByteWriter, what: string): void {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (value instanceof Uint8Array) {
    out.byte(tags.bytes);
    out.bytes(value);
  } else if (value instanceof Date) {
    out.byte(tags.date);
    out.double(value.getTime());
  } else if (Array.isArray(value)) {
    out.byte(tags.array);
    out.varint(value.length);
    for (const one of value) write(one, out, what);
  } else if (typeof value === "object" && (prototype === Object.prototype || prototype === null)) {
    const entries = Object.entries(value);
    out.byte(tags.object);
    out.varint(entries.length);
    for (const [name, one] of entries) {
      out.bytes(Buffer.from(name, "utf16le"));
      write(one, out, what);
    }
  } else
    throw new RepriseError(
      "SCHEMA_INVALID",
      `${what}: an item is kept as plain data, got ${typeof value === "function" ? "a function" : `a ${value.constructor.name}`}`,
    );
}

function read(from: ByteReader): unknown {
  const tag = from.byte();
  switch (tag) {
    case tags.null:
      return null;
    case tags.false:
    case tags.true:
      return tag === tags.true;
    case tags.number:
      return from.double();
    case tags.string:
      return readText(from);
    case tags.bigint:
      return BigInt(from.latin1());
    case tags.bytes:
      return Buffer.from(readSpan(from));
    case tags.date:
      return new Date(from.double());
    case tags.array:
      return Array.from({ length: from.varint() }, () => read(from));
    case tags.object: {
      const entries: [string, unknown][] = [];
      for (let n = from.varint(); n > 0; n--) entries.push([readText(from), read(from)]);
      return Object.fromEntries(entries);
    }
    default:
      return undefined;
  }
}

function readSpan(from: ByteReader): Buffer {
  const length = from.varint();
  const start = from.skip(length);
  return from.buffer.subarray(start, start + length);
}

const readText = (from: ByteReader): string => readSpan(from).toString("utf16le");
