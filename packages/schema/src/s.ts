import { RepriseError } from "./errors/reprise-error.ts";
import { avroJson } from "./internal/avro-json.ts";
import { avroRuntime } from "./internal/avro-runtime.ts";
import { avroName, fieldNode, partNode } from "./internal/declared-parts.ts";
import { primitiveRuntime } from "./internal/primitive-runtime.ts";
import { makeSchema } from "./internal/schema-data.ts";
import { isPrimitive, type PrimitiveKind, type SchemaNode } from "./internal/schema-node.ts";
import type { Fields, RecordOf, Schema } from "./schema.ts";

/** A shape in its own format: Kafka's bytes for a bare primitive, Avro binary for everything else. */
export function bareSchema<T>(node: SchemaNode): Schema<T> {
  return makeSchema<T>({
    format: isPrimitive(node) ? "primitive" : "avro",
    node,
    build: (built) => (built !== null && isPrimitive(built) ? primitiveRuntime(built) : avroRuntime(built as SchemaNode)),
  });
}

const primitive = <T>(kind: PrimitiveKind): Schema<T> => bareSchema<T>({ kind });

/** What `s` is. */
export interface SchemaBuilder {
  /** Well-formed Unicode. Bare: UTF-8, as StringSerializer. */
  readonly string: Schema<string>;
  /** Bare: one byte, 0 or 1. */
  readonly boolean: Schema<boolean>;
  /** 32 bits. Bare: 4 bytes, big endian, as IntegerSerializer. */
  readonly int: Schema<number>;
  /** A safe integer (below 2^53 in size). Bare: 8 bytes, big endian, as LongSerializer. */
  readonly long: Schema<number>;
  /** Bare: 8 bytes, big endian, as DoubleSerializer. NaN and infinities can't be JSON. */
  readonly double: Schema<number>;
  /** Bare: the bytes themselves. In JSON: base64. */
  readonly bytes: Schema<Uint8Array>;
  /** 64 bits. Bare: 8 bytes, big endian. In Avro a long, in JSON a decimal string. Slower than `long`. */
  readonly bigint: Schema<bigint>;
  /** Epoch milliseconds, a safe integer; bytes as `long`. */
  readonly timestamp: Schema<number>;
  /** One of some words, each an Avro name. @throws RepriseError SCHEMA_INVALID */
  oneOf<const V extends readonly [string, ...string[]]>(name: string, ...values: V): Schema<V[number]>;
  array<T>(item: Schema<T>): Schema<readonly T[]>;
  /** String keys. Equal maps have equal bytes, whatever order their keys were set in. */
  map<T>(value: Schema<T>): Schema<{ readonly [key: string]: T }>;
  /** Name and field names are Avro names. @throws RepriseError SCHEMA_INVALID */
  record<const F extends Fields>(name: string, fields: F): Schema<RecordOf<F>>;
}

/**
 * Builds schemas: Avro underneath (binary in state, fingerprints, evolution by `.default()` and `.optional()`).
 * A bare primitive, that is one which is a whole key, value or state row and has no `.optional()`, has the bytes of Kafka's own
 * serializers; as a field or item it is Avro.
 * @example
 * const Flight = s.record("Flight", { origin: s.string, departure: s.timestamp, delayMinutes: s.int.default(0) });
 */
export const s: SchemaBuilder = Object.freeze<SchemaBuilder>({
  string: primitive("string"),
  boolean: primitive("boolean"),
  int: primitive("int"),
  long: primitive("long"),
  double: primitive("double"),
  bytes: primitive("bytes"),
  bigint: primitive("bigint"),
  timestamp: primitive("timestamp"),
  oneOf(name, ...values) {
    avroName(name, "oneOf");
    if (values.length === 0) throw new RepriseError("SCHEMA_INVALID", `oneOf ${name}: expected at least one value`);
    for (const value of values) avroName(value, `oneOf ${name}: value`);
    if (new Set(values).size !== values.length) throw new RepriseError("SCHEMA_INVALID", `oneOf ${name}: a value occurs twice`);
    return bareSchema({ kind: "enum", name, values: Object.freeze([...values]) });
  },
  array(item) {
    const node = partNode(item, "array: item");
    if (node.kind === "record" && node.fields.length === 0)
      throw new RepriseError("SCHEMA_INVALID", `array of ${node.name}: items without fields have no bytes`);
    return bareSchema({ kind: "array", item: node });
  },
  map: (value) => bareSchema({ kind: "map", value: partNode(value, "map: value") }),
  record(name, fields) {
    avroName(name, "record");
    const node: SchemaNode = {
      kind: "record",
      name,
      fields: Object.entries(fields).map(([field, schema]) => fieldNode(name, field, schema)),
    };
    avroJson(node); // refuses one name for two shapes here, where the author sees it
    return bareSchema(node);
  },
});
