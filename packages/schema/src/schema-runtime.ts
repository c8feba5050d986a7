import { RepriseError } from "./errors/reprise-error.ts";
import { schemaDataOf } from "./internal/schema-data.ts";
import type { Schema } from "./schema.ts";

/**
 * The bytes of a schema:
 * - `primitive`: a bare `s.string`, `s.bytes`, …, as Kafka's own serializers write them (see `s`)
 * - `avro`: Avro binary, without framing
 * - `json`: JSON of an own schema, checked · `standard`: JSON checked by a Standard Schema · `json-unchecked`: any JSON
 * - `registry`, `protobuf`: declared, refused by name at use
 */
export type SchemaFormat = "primitive" | "avro" | "json" | "json-unchecked" | "standard" | "registry" | "protobuf";

/** What the outermost value is. `unknown`: only the validator knows. */
export type SchemaKind =
  | "string"
  | "boolean"
  | "int"
  | "long"
  | "double"
  | "bytes"
  | "bigint"
  | "timestamp"
  | "enum"
  | "array"
  | "map"
  | "record"
  | "optional"
  | "unknown";

/**
 * What the engine does with a schema. Compiled once per schema, in the copy of this package that made the schema: an artifact
 * keeps the codecs it was built with. All methods are synchronous and keep nothing of their arguments.
 */
export interface SchemaRuntime<T> {
  readonly format: SchemaFormat;
  readonly kind: SchemaKind;
  /** The Avro schema as JSON data, also when the wire format is JSON; null when there is none. */
  readonly avro: unknown;
  /** 32 hex digits over format, shape and defaults; equal exactly for schemas that read and write alike. */
  readonly fingerprint: string;
  /**
   * The bytes of a value; equal values have equal bytes (fields as declared, map keys sorted). Undeclared fields are not written.
   * @throws RepriseError SCHEMA_INVALID naming the field's path, what was expected and what was given; NOT_SUPPORTED
   */
  encode(value: T): Buffer;
  /**
   * The value in bytes[start, end). It shares no memory with `bytes`. Undeclared JSON fields are dropped, missing ones filled in.
   * @throws RepriseError SCHEMA_INVALID naming the field and what was expected, also for bytes left over; NOT_SUPPORTED
   */
  decode(bytes: Buffer, start: number, end: number): T;
  /** A deep copy that may be changed; of declared fields only, missing ones filled in. The value must fit. */
  clone(value: T): T;
  /** @throws RepriseError SCHEMA_INVALID when the value can't be encoded */
  check(value: T): void;
  /** JSON text of a value, whatever the wire format is: for queries, dead letters, people. bigint: decimal string; bytes: base64. */
  toJson(value: T): string;
  /** The inverse of `toJson`. @throws RepriseError SCHEMA_INVALID */
  fromJson(text: string): T;
}

/**
 * The runtime of a schema, also of one that another copy of this package made.
 * @throws RepriseError SCHEMA_INVALID when the value is no schema
 */
export function schemaRuntime<T>(schema: Schema<T>): SchemaRuntime<T> {
  const data = schemaDataOf(schema);
  if (data === undefined) throw new RepriseError("SCHEMA_INVALID", "expected a schema of reprise, such as s.string or json(s.record(...))");
  return data.runtime() as SchemaRuntime<T>;
}
