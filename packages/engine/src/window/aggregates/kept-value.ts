import { RepriseError, type SchemaRuntime } from "@reprise/schema";
import type { ByteReader, ByteWriter } from "./bytes.ts";

/** How values of one kind become bytes: equal values, equal bytes, whatever came before. */
export interface ValueCodec {
  write(value: unknown, out: ByteWriter): void;
  read(from: ByteReader): unknown;
}

/**
 * How one entry of `Accumulator.values` is kept. What is kept is never changed as far as anyone can see: `add` and `merge` give another value, and
 * those before stay what they were.
 */
export interface KeptValue {
  /** Of a window without contributions. */
  readonly initial: unknown;
  /** @throws RepriseError SCHEMA_INVALID naming window and field when `given` does not fit; what an own fold throws */
  add(kept: unknown, given: unknown, timeMs: number): unknown;
  /** `from` is the later one in event time. */
  merge(into: unknown, from: unknown): unknown;
  result(kept: unknown): unknown;
  readonly codec: ValueCodec;
  /** Of what `result` gives. */
  readonly resultCodec: ValueCodec;
}

/** What a window has emitted needs no more than its result: a sketch would be kept twice. */
export class Settled {
  readonly result: unknown;

  constructor(result: unknown) {
    this.result = result;
  }
}

export const schemaCodec = (schema: SchemaRuntime<unknown>): ValueCodec => ({
  write: (value, out) => out.bytes(schema.encode(value)),
  read: (from) => {
    const length = from.varint();
    const start = from.skip(length);
    return schema.decode(from.buffer, start, start + length);
  },
});

export const numberCodec: ValueCodec = {
  write: (value, out) => out.double(value as number),
  read: (from) => from.double(),
};

/** null, or what the codec has. */
export const nullable = (codec: ValueCodec): ValueCodec => ({
  write(value, out) {
    out.byte(value === null ? 0 : 1);
    if (value !== null) codec.write(value, out);
  },
  read: (from) => (from.byte() === 0 ? null : codec.read(from)),
});

/** null does not count; a value that an optional schema lets be left out is null. */
export const isNull = (given: unknown, schema: SchemaRuntime<unknown>): boolean =>
  given === null || (given === undefined && schema.kind === "optional");

/** Runs a codec's method on a value that a handler gave. @throws RepriseError SCHEMA_INVALID, with the window and the field in front */
export function fitting<T>(what: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    if (error instanceof RepriseError && error.code === "SCHEMA_INVALID")
      throw new RepriseError("SCHEMA_INVALID", `${what}: ${error.message}`, { cause: error });
    throw error;
  }
}
