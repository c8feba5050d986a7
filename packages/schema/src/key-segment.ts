import { RepriseError } from "./errors/reprise-error.ts";
import type { Schema } from "./schema.ts";
import { schemaRuntime } from "./schema-runtime.ts";

/**
 * A key of a view as text of a URL's path segment (before percent encoding). Strings stand for themselves, so that people can type
 * them; those that a URL can't carry (empty, `.`, `..`) and those that begin with a quote are written as JSON, as all other keys are.
 * bigint: a decimal string; bytes: base64.
 */
export function keySegment(key: unknown): string {
  if (typeof key === "string" && key !== "" && key !== "." && key !== ".." && !key.startsWith('"')) return key;
  return jsonOf(key);
}

/**
 * JSON text of a key or map entry whose schema is not at hand, in the form that `schemaRuntime(…).fromJson` reads.
 * @throws RepriseError INVALID_ARGUMENT when JSON can't hold it
 */
export function jsonOf(value: unknown): string {
  const text: string | undefined = JSON.stringify(value, function (this: { readonly [name: string]: unknown }, name, held: unknown) {
    const original = this[name]; // before Buffer's toJSON
    if (typeof original === "bigint") return original.toString();
    return original instanceof Uint8Array ? Buffer.from(original).toString("base64") : held;
  });
  if (text === undefined) throw new RepriseError("INVALID_ARGUMENT", `expected a key, got ${typeof value}`);
  return text;
}

/** The inverse of `keySegment`, for a segment that is percent-decoded. @throws RepriseError SCHEMA_INVALID */
export function parseKeySegment<K>(schema: Schema<K>, segment: string): K {
  const runtime = schemaRuntime(schema);
  if (runtime.kind !== "string" || segment.startsWith('"')) return runtime.fromJson(segment);
  return runtime.fromJson(JSON.stringify(segment));
}
