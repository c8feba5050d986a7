import { RepriseError } from "./errors/reprise-error.ts";
import { foreignJsonRuntime } from "./internal/foreign-json-runtime.ts";
import { jsonRuntime } from "./internal/json-runtime.ts";
import { makeSchema, schemaDataOf } from "./internal/schema-data.ts";
import type { SchemaNode } from "./internal/schema-node.ts";
import { acceptStandard } from "./internal/standard-validation.ts";
import type { Schema } from "./schema.ts";
import type { StandardSchema } from "./standard-schema.ts";

/**
 * JSON on the wire: an own schema, a Standard Schema (zod, valibot, arktype), or `json<T>()` unchecked.
 * - Own schema: checked in both directions; reading drops undeclared fields and fills in missing ones.
 * - Standard Schema: `validate` runs on reading and on writing, must be synchronous, and must not transform: what it returns for a
 *   value that it once returned must be that value again, and JSON must be able to hold it. That can't be checked for all values.
 * - Unchecked: whatever JSON.parse returns is taken for a T.
 * @throws RepriseError SCHEMA_INVALID when the argument is none of these
 * @example
 * const flights = topic("flights", { key: flightNumber, value: json(Flight) });
 */
export function json<T>(schema: Schema<T>): Schema<T>;
export function json<T>(schema: StandardSchema<T, T>): Schema<T>;
export function json<T>(): Schema<T>;
export function json<T>(...given: [] | [Schema<T> | StandardSchema<T, T>]): Schema<T> {
  if (given.length === 0) return uncheckedJson<T>();
  const [schema] = given;
  const data = schemaDataOf(schema);
  if (data !== undefined) {
    if (data.format === "json" || data.format === "json-unchecked" || data.format === "standard") return schema as Schema<T>;
    if (data.node !== null && (data.format === "avro" || data.format === "primitive")) return ownJson<T>(data.node, data.default);
    throw new RepriseError("SCHEMA_INVALID", `json(): a schema of format ${data.format} can't be JSON`);
  }
  if (isStandardSchema(schema)) return standardJson<T>(schema);
  throw new RepriseError(
    "SCHEMA_INVALID",
    "json(): expected a schema made with s, a Standard Schema (zod 3.24, valibot 1, arktype 2 or later), or nothing",
  );
}

function ownJson<T>(node: SchemaNode, defaultValue: { readonly value: unknown } | undefined): Schema<T> {
  return makeSchema<T>({
    format: "json",
    node,
    ...(defaultValue && { default: defaultValue }),
    build: (built) => jsonRuntime(built as SchemaNode),
  });
}

function uncheckedJson<T>(): Schema<T> {
  return makeSchema<T>({
    format: "json-unchecked",
    node: null,
    build: () => foreignJsonRuntime("json-unchecked", "json", (value) => value),
  });
}

function standardJson<T>(schema: StandardSchema<T, T>): Schema<T> {
  const { vendor, validate } = schema["~standard"];
  return makeSchema<T>({
    format: "standard",
    node: null,
    build: (_node, nullable) =>
      foreignJsonRuntime("standard", vendor, (value) =>
        nullable && (value === null || value === undefined) ? null : acceptStandard(vendor, validate, value),
      ),
  });
}

function isStandardSchema(value: unknown): value is StandardSchema<never, never> {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return false;
  const standard = (value as { readonly "~standard"?: { readonly version?: unknown; readonly validate?: unknown } })["~standard"];
  return typeof standard === "object" && standard !== null && standard.version === 1 && typeof standard.validate === "function";
}
