import { isPrimitive, type RecordNode, type SchemaNode } from "../schema-node.ts";
import { Code, readField } from "./code.ts";
import { condition } from "./condition.ts";

/** Calls `fail` unless the value can be encoded; allocates nothing. */
export function compileCheck(node: SchemaNode): (value: unknown) => void {
  const code = new Code();
  const body = checkStatement(node, "v", code);
  return code.compile("v", body);
}

function checkStatement(node: SchemaNode, x: string, code: Code): string {
  if (isPrimitive(node) || node.kind === "enum") return `if (!${condition(node, x, "value")}) h.fail();`;
  switch (node.kind) {
    case "optional":
      return `if (${x} != null) { ${checkStatement(node.inner, x, code)} }`;
    case "array":
      return `if (!Array.isArray(${x})) h.fail();\n${code.function("v", `for (let i = 0; i < v.length; i += 1) { const x = v[i]; ${checkStatement(node.item, "x", code)} }`)}(${x});`;
    case "map":
      return `if (!h.isObject(${x})) h.fail();\n${code.function("v", `for (const key of Object.keys(v)) { if (!key.isWellFormed()) h.fail(); const x = v[key]; ${checkStatement(node.value, "x", code)} }`)}(${x});`;
    case "record":
      return `${checkRecord(node, code)}(${x});`;
  }
}

function checkRecord(node: RecordNode, code: Code): string {
  const fields = node.fields.map((field, i) => {
    const check = checkStatement(field.node, `x${i}`, code);
    return `const x${i} = ${readField("v", field.name)};\n${field.default === undefined ? check : `if (x${i} !== undefined) { ${check} }`}`;
  });
  return code.function("v", `if (!h.isObject(v)) h.fail();\n${fields.join("\n")}`);
}
