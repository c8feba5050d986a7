import { isPrimitive, type RecordNode, type SchemaNode } from "../schema-node.ts";
import { defaultExpression } from "./compile-clone.ts";
import { Code, quoted, readField } from "./code.ts";
import { condition } from "./condition.ts";

/**
 * From what JSON.parse returned to a value: checked, of declared fields only, missing ones filled in. A fresh literal per
 * record rather than a patched one: all values of a schema share one hidden class, whatever order the JSON had.
 */
export function compileJsonReader(node: SchemaNode): (parsed: unknown) => unknown {
  const code = new Code();
  const body = readExpression(node, "v", code);
  return code.compile("v", `return ${body};`);
}

function readExpression(node: SchemaNode, x: string, code: Code): string {
  if (node.kind === "bytes") return `h.bytesOfBase64(${x})`;
  if (node.kind === "bigint") return `h.bigintOfJson(${x})`;
  if (isPrimitive(node) || node.kind === "enum") return `(${condition(node, x, "json")} ? ${x} : h.fail())`;
  switch (node.kind) {
    case "optional":
      return `(${x} == null ? null : ${readExpression(node.inner, x, code)})`;
    case "array": {
      const item = readExpression(node.item, "x", code);
      return `${code.function("v", `if (!Array.isArray(v)) h.fail();\nconst out = [];\nfor (let i = 0; i < v.length; i += 1) { const x = v[i]; out.push(${item}); }\nreturn out;`)}(${x})`;
    }
    case "map": {
      const value = readExpression(node.value, "x", code);
      return `${code.function("v", `if (!h.isObject(v)) h.fail();\nconst out = {};\nfor (const key of Object.keys(v)) { if (!key.isWellFormed()) h.fail(); const x = v[key]; h.put(out, key, ${value}); }\nreturn out;`)}(${x})`;
    }
    case "record":
      return `${readRecord(node, code)}(${x})`;
  }
}

function readRecord(node: RecordNode, code: Code): string {
  const reads = node.fields.map((field, i) => `const x${i} = ${readField("v", field.name)};`);
  const values = node.fields.map((field, i) => {
    const read = readExpression(field.node, `x${i}`, code);
    return `${quoted(field.name)}: ${field.default === undefined ? read : `x${i} === undefined ? ${defaultExpression(field, code)} : ${read}`}`;
  });
  return code.function("v", `if (!h.isObject(v)) h.fail();\n${reads.join("\n")}\nreturn { ${values.join(", ")} };`);
}
