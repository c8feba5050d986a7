import { isPrimitive, type RecordNode, type SchemaNode } from "../schema-node.ts";
import { Code, quoted, readField } from "./code.ts";
import { defaultExpression } from "./compile-clone.ts";
import { condition } from "./condition.ts";

/** JSON text of a value, checked on the way: fields in the order of the declaration, map keys sorted, nothing undeclared. */
export function compileJsonWriter(node: SchemaNode): (value: unknown) => string {
  const code = new Code();
  const body = writeExpression(node, "v", code);
  return code.compile("v", `return ${body};`);
}

function writeExpression(node: SchemaNode, x: string, code: Code): string {
  if (node.kind === "string") return `(typeof ${x} === "string" ? h.jsonString(${x}) : h.fail())`;
  if (isPrimitive(node) || node.kind === "enum") return `(${condition(node, x, "json")} ? ${textExpression(node.kind, x)} : h.fail())`;
  switch (node.kind) {
    case "optional":
      return `(${x} == null ? "null" : ${writeExpression(node.inner, x, code)})`;
    case "array": {
      const item = writeExpression(node.item, "x", code);
      return `${code.function("v", `if (!Array.isArray(v)) h.fail();\nlet out = "[";\nfor (let i = 0; i < v.length; i += 1) { const x = v[i]; out += (i === 0 ? "" : ",") + ${item}; }\nreturn out + "]";`)}(${x})`;
    }
    case "map": {
      const value = writeExpression(node.value, "x", code);
      return `${code.function("v", `if (!h.isObject(v)) h.fail();\nlet out = "";\nfor (const key of h.sortedKeys(v)) { const x = v[key]; out += (out === "" ? "{" : ",") + h.jsonString(key) + ":" + ${value}; }\nreturn out === "" ? "{}" : out + "}";`)}(${x})`;
    }
    case "record":
      return `${writeRecord(node, code)}(${x})`;
  }
}

function textExpression(kind: string, x: string): string {
  switch (kind) {
    case "bytes":
      return `'"' + h.base64OfBytes(${x}) + '"'`;
    case "bigint":
      return `'"' + ${x} + '"'`;
    case "enum":
      return `'"' + ${x} + '"'`;
    default:
      return `("" + ${x})`;
  }
}

function writeRecord(node: RecordNode, code: Code): string {
  const reads = node.fields.map((field, i) => {
    if (field.default === undefined) return `const x${i} = ${readField("v", field.name)};`;
    return `let x${i} = ${readField("v", field.name)};\nif (x${i} === undefined) x${i} = ${defaultExpression(field, code)};`;
  });
  const parts = node.fields.map(
    (field, i) => `${JSON.stringify(`${i === 0 ? "{" : ","}${quoted(field.name)}:`)} + ${writeExpression(field.node, `x${i}`, code)}`,
  );
  const text = parts.length === 0 ? `"{}"` : `${parts.join(" + ")} + "}"`;
  return code.function("v", `if (!h.isObject(v)) h.fail();\n${reads.join("\n")}\nreturn ${text};`);
}
