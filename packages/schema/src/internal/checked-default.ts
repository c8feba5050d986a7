import { RepriseError } from "../errors/reprise-error.ts";
import { explainValue } from "./explain-value.ts";
import { misfitError } from "./misfit.ts";
import type { SchemaNode } from "./schema-node.ts";

/** The default, after a check that it fits and can be written in an Avro schema. @throws RepriseError SCHEMA_INVALID */
export function checkedDefault(node: SchemaNode, value: unknown): unknown {
  // "json-value": NaN and Infinity can't be written in a schema, which is JSON.
  const wrong = explainValue(node, value, "json-value", "default()");
  if (wrong) throw misfitError(wrong);
  if (typeof value === "bigint" && !Number.isSafeInteger(Number(value))) {
    throw new RepriseError("SCHEMA_INVALID", "default(): a bigint default must be a safe integer, because Avro schemas are JSON");
  }
  // Own and frozen: the declaration must not change under the compiled code.
  return deepFreeze(structuredClone(value));
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  for (const held of Object.values(value)) deepFreeze(held);
  return Object.freeze(value);
}
