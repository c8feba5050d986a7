import type { FieldNode, RecordNode, SchemaNode } from "../schema-node.ts";
import { Code, quoted, readField } from "./code.ts";

/** A deep copy of declared fields: one object literal per record, which is as fast as copying gets. */
export function compileClone(node: SchemaNode): (value: unknown) => unknown {
  const code = new Code();
  const body = cloneExpression(node, "v", code);
  return code.compile("v", `return ${body};`);
}

export function cloneExpression(node: SchemaNode, x: string, code: Code): string {
  switch (node.kind) {
    case "optional": {
      const inner = cloneExpression(node.inner, x, code);
      return inner === x ? `(${x} ?? null)` : `(${x} == null ? null : ${inner})`;
    }
    case "array": {
      const item = cloneExpression(node.item, "x", code);
      if (item === "x") return `${x}.slice()`;
      return `${code.function("v", `const out = [];\nfor (let i = 0; i < v.length; i += 1) { const x = v[i]; out.push(${item}); }\nreturn out;`)}(${x})`;
    }
    case "map": {
      const value = cloneExpression(node.value, "x", code);
      return `${code.function("v", `const out = {};\nfor (const key of Object.keys(v)) { const x = v[key]; h.put(out, key, ${value}); }\nreturn out;`)}(${x})`;
    }
    case "record":
      return `${cloneRecord(node, code)}(${x})`;
    case "bytes":
      return `h.copyBytes(${x})`;
    default:
      return x;
  }
}

function cloneRecord(node: RecordNode, code: Code): string {
  const reads = node.fields.map((field, i) => `const x${i} = ${readField("v", field.name)};`);
  const copies = node.fields.map((field, i) => {
    const copy = cloneExpression(field.node, `x${i}`, code);
    return `${quoted(field.name)}: ${field.default === undefined ? copy : `x${i} === undefined ? ${defaultExpression(field, code)} : ${copy}`}`;
  });
  return code.function("v", `${reads.join("\n")}\nreturn { ${copies.join(", ")} };`);
}

/** A fresh copy of a field's default, because the copy may be changed. */
export function defaultExpression(field: FieldNode, code: Code): string {
  const value = field.default?.value;
  if (value === null || typeof value === "boolean" || typeof value === "string") return JSON.stringify(value);
  return cloneExpression(field.node, code.constant(value), code);
}
