import { RepriseError } from "../errors/reprise-error.ts";
import type { SchemaFormat, SchemaRuntime } from "../schema-runtime.ts";
import { cloneAnything } from "./clone-anything.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { jsonTextOf, parseJson } from "./json-text.ts";

/** JSON whose shape only `accept` knows; it returns the value to use or throws SCHEMA_INVALID. */
export function foreignJsonRuntime(format: SchemaFormat, name: string, accept: (value: unknown) => unknown): SchemaRuntime<unknown> {
  const toJson = (value: unknown): string => {
    let text: string | undefined;
    try {
      text = JSON.stringify(accept(value));
    } catch (cause) {
      if (RepriseError.is(cause)) throw cause;
      throw new RepriseError("SCHEMA_INVALID", `${name}: expected a value that JSON can hold: ${(cause as Error).message}`, {
        details: { path: name },
        cause,
      });
    }
    if (text === undefined)
      throw new RepriseError("SCHEMA_INVALID", `${name}: expected a value that JSON can hold, got ${typeof value}`, {
        details: { path: name },
      });
    return text;
  };
  return {
    format,
    kind: "unknown",
    avro: null,
    fingerprint: fingerprintOf(format, name),
    encode: (value) => Buffer.from(toJson(value), "utf8"),
    decode: (bytes, start, end) => accept(parseJson(jsonTextOf(bytes, start, end, name), name)),
    clone: cloneAnything,
    check: (value) => void accept(value),
    toJson,
    fromJson: (text) => accept(parseJson(text, name)),
  };
}
