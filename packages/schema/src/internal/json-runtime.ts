import type { SchemaRuntime } from "../schema-runtime.ts";
import { compileJsonScanner, type JsonScanner } from "./compile/compile-json-scanner.ts";
import { jsonTextOf, parseJson } from "./json-text.ts";
import { ownRuntime } from "./own-runtime.ts";
import type { SchemaNode } from "./schema-node.ts";

/** JSON of an own shape, checked in both directions. */
export function jsonRuntime(node: SchemaNode): SchemaRuntime<unknown> {
  // Compiled at first use: a deployment decodes few of the schemas that it declares.
  let scan: JsonScanner | undefined | null = null;
  return ownRuntime("json", node, ({ name, jsonText, ofParsed }) => ({
    encode: (value) => Buffer.from(jsonText(value), "utf8"),
    decode(bytes, start, end) {
      if (scan === null) scan = compileJsonScanner(node);
      const quick = scan?.(bytes, start, end);
      return quick === undefined ? ofParsed(parseJson(jsonTextOf(bytes, start, end, name), name)) : quick;
    },
  }));
}
