import { RepriseError } from "../errors/reprise-error.ts";
import { schemaDataOf } from "./schema-data.ts";
import type { FieldNode, SchemaNode } from "./schema-node.ts";

const avroNamePattern = /^[A-Za-z_][A-Za-z0-9_]*$/;
const longestName = 200;

/** @throws RepriseError SCHEMA_INVALID unless Avro allows the name. `__proto__` is no property like others in JavaScript. */
export function avroName(name: unknown, what: string): void {
  if (typeof name === "string" && avroNamePattern.test(name) && name.length <= longestName && name !== "__proto__") return;
  throw new RepriseError(
    "SCHEMA_INVALID",
    `${what}: expected a name of letters, digits and _, not beginning with a digit, got ${JSON.stringify(name)}`,
    { details: { what } },
  );
}

/** The node of a schema that is part of another. @throws RepriseError SCHEMA_INVALID when it has a wire format of its own */
export function partNode(schema: unknown, what: string): SchemaNode {
  const data = schemaDataOf(schema);
  if (data === undefined) throw new RepriseError("SCHEMA_INVALID", `${what}: expected a schema, such as s.string`, { details: { what } });
  if (data.node === null || (data.format !== "avro" && data.format !== "primitive")) {
    throw new RepriseError(
      "SCHEMA_INVALID",
      `${what}: a schema with a wire format of its own (${data.format}) can't be part of another; put it outermost`,
      { details: { what, format: data.format } },
    );
  }
  return data.node;
}

export function fieldNode(record: string, name: string, schema: unknown): FieldNode {
  avroName(name, `record ${record}: field`);
  return { name, node: partNode(schema, `record ${record}: field ${name}`), default: schemaDataOf(schema)?.default };
}
