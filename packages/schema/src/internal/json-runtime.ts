import type { SchemaRuntime } from "../schema-runtime.ts";
import { jsonTextOf, parseJson } from "./json-text.ts";
import { ownRuntime } from "./own-runtime.ts";
import type { SchemaNode } from "./schema-node.ts";

/** JSON of an own shape, checked in both directions. */
export function jsonRuntime(node: SchemaNode): SchemaRuntime<unknown> {
  return ownRuntime("json", node, ({ name, jsonText, ofParsed }) => ({
    encode: (value) => Buffer.from(jsonText(value), "utf8"),
    decode: (bytes, start, end) => ofParsed(parseJson(jsonTextOf(bytes, start, end, name), name)),
  }));
}
