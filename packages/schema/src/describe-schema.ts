import type { Schema } from "./schema.ts";
import { type SchemaFormat, type SchemaKind, schemaRuntime } from "./schema-runtime.ts";

/** A schema as data, for manifests. */
export interface SchemaDescription {
  readonly format: SchemaFormat;
  readonly kind: SchemaKind;
  readonly fingerprint: string;
  /** The Avro schema, or null when there is none. */
  readonly avro: unknown;
}

/** @throws RepriseError SCHEMA_INVALID when the value is no schema */
export function describeSchema<T>(schema: Schema<T>): SchemaDescription {
  const { format, kind, fingerprint, avro } = schemaRuntime(schema);
  return { format, kind, fingerprint, avro };
}
