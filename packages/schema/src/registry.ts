import { RepriseError } from "./errors/reprise-error.ts";
import { refusedRuntime } from "./internal/refused-runtime.ts";
import { makeSchema, schemaDataOf } from "./internal/schema-data.ts";
import type { Schema } from "./schema.ts";

/**
 * Confluent's wire format: a magic byte and the writer's schema id before the value. It can be declared; reading and writing is
 * refused (NOT_SUPPORTED), because both need the registry: to read with the writer's schema, and to learn the own id.
 * @throws RepriseError SCHEMA_INVALID when the argument is no schema
 */
export function registry<T>(schema: Schema<T>): Schema<T> {
  const data = schemaDataOf(schema);
  if (data === undefined) throw new RepriseError("SCHEMA_INVALID", "registry(): expected a schema, such as s.record(...)");
  const shape = `registry(${data.format} ${data.runtime().fingerprint})`;
  return makeSchema<T>({
    format: "registry",
    node: null,
    build: () => refusedRuntime("registry", shape, "json(schema), or the bare schema for Avro without framing"),
  });
}
