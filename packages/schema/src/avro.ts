import { foreignAvroRuntime, foreignAvroType } from "./internal/foreign-avro-runtime.ts";
import { makeSchema } from "./internal/schema-data.ts";
import type { Schema } from "./schema.ts";

/**
 * An existing Avro schema, in Avro binary without framing: all of Avro as avsc reads it (fixed, unions, aliases, …). Unions hold the
 * bare value where its branch is plain from its type, else avsc's `{ branch: value }`. Records come as instances of generated
 * classes; `long` must be a safe integer, `bytes` and `fixed` are Buffers.
 * @throws RepriseError SCHEMA_INVALID when it is no Avro schema
 */
export function avro<T>(generated: { readonly avro: unknown; readonly type?: T }): Schema<T> {
  const type = foreignAvroType(generated);
  return makeSchema<T>({ format: "avro", node: null, build: (_node, nullable) => foreignAvroRuntime(type, nullable) });
}
