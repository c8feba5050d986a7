import { RepriseError } from "./errors/reprise-error.ts";
import { refusedRuntime } from "./internal/refused-runtime.ts";
import { makeSchema } from "./internal/schema-data.ts";
import type { Schema } from "./schema.ts";

/**
 * A message of a generated Protobuf descriptor. It can be declared; reading and writing is refused (NOT_SUPPORTED).
 * @throws RepriseError SCHEMA_INVALID when the argument has no `$typeName`
 */
export function protobuf<T>(descriptor: { readonly $typeName: string; readonly message: T }): Schema<T> {
  const typeName: unknown = (descriptor as { readonly $typeName?: unknown } | null | undefined)?.$typeName;
  if (typeof typeName !== "string") throw new RepriseError("SCHEMA_INVALID", "protobuf(): expected a descriptor with $typeName");
  return makeSchema<T>({
    format: "protobuf",
    node: null,
    build: () => refusedRuntime("protobuf", `protobuf(${typeName})`, "json(schema) or a bare Avro schema"),
  });
}
