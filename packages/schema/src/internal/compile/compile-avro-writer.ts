import type { AvroOutput } from "../avro-output.ts";
import { isPrimitive, type RecordNode, type SchemaNode } from "../schema-node.ts";
import { Code, readField } from "./code.ts";
import { defaultExpression } from "./compile-clone.ts";
import { condition } from "./condition.ts";

/** Appends a value as Avro binary, checked on the way. */
export function compileAvroWriter(node: SchemaNode): (value: unknown, output: AvroOutput) => void {
  const code = new Code();
  const body = writeStatement(node, "v", code);
  return code.compile("v, w", body);
}

/** How the branches of a union are ordered: Avro wants the branch of the default first. */
export function nullBranch(defaultValue: { readonly value: unknown } | undefined): 0 | 1 {
  return defaultValue === undefined || defaultValue.value === null ? 0 : 1;
}

function writeStatement(node: SchemaNode, x: string, code: Code, nullIndex: 0 | 1 = 0): string {
  if (node.kind === "enum") return enumStatement(node.values, x);
  if (isPrimitive(node)) return `if (!${condition(node, x, "value")}) h.fail();\nw.${writerMethod[node.kind]}(${x});`;
  switch (node.kind) {
    case "optional":
      return `if (${x} == null) w.byte(${2 * nullIndex}); else { w.byte(${2 - 2 * nullIndex}); ${writeStatement(node.inner, x, code)} }`;
    case "array": {
      const item = writeStatement(node.item, "x", code);
      return `${code.function("v, w", `if (!Array.isArray(v)) h.fail();\nif (v.length > 0) { w.long(v.length); for (let i = 0; i < v.length; i += 1) { const x = v[i]; ${item} } }\nw.byte(0);`)}(${x}, w);`;
    }
    case "map": {
      const value = writeStatement(node.value, "x", code);
      return `${code.function("v, w", `if (!h.isObject(v)) h.fail();\nconst keys = h.sortedKeys(v);\nif (keys.length > 0) { w.long(keys.length); for (const key of keys) { const x = v[key]; w.string(key); ${value} } }\nw.byte(0);`)}(${x}, w);`;
    }
    case "record":
      return `${writeRecord(node, code)}(${x}, w);`;
  }
}

const writerMethod = {
  string: "string",
  boolean: "boolean",
  int: "long",
  long: "long",
  timestamp: "long",
  double: "double",
  bytes: "bytes",
  bigint: "bigint",
} as const;

function enumStatement(values: readonly string[], x: string): string {
  const cases = values.map((value, i) => `case ${JSON.stringify(value)}: w.long(${i}); break;`);
  return `switch (${x}) { ${cases.join(" ")} default: h.fail(); }`;
}

function writeRecord(node: RecordNode, code: Code): string {
  const fields = node.fields.map((field, i) => {
    const write = writeStatement(field.node, `x${i}`, code, nullBranch(field.default));
    const fill = field.default === undefined ? "" : `if (x${i} === undefined) x${i} = ${defaultExpression(field, code)};\n`;
    return `let x${i} = ${readField("v", field.name)};\n${fill}${write}`;
  });
  return code.function("v, w", `if (!h.isObject(v)) h.fail();\n${fields.join("\n")}`);
}
