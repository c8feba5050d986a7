import type { AvroInput } from "../avro-input.ts";
import { isPrimitive, type RecordNode, type SchemaNode } from "../schema-node.ts";
import { Code, quoted } from "./code.ts";
import { nullBranch } from "./compile-avro-writer.ts";

/** Reads one value of Avro binary; calls `fail` where the bytes are not of the shape. */
export function compileAvroReader(node: SchemaNode): (input: AvroInput) => unknown {
  const code = new Code();
  const body = readExpression(node, code);
  return code.compile("r", `return ${body};`);
}

function readExpression(node: SchemaNode, code: Code, nullIndex: 0 | 1 = 0): string {
  if (isPrimitive(node)) return `r.${node.kind === "timestamp" ? "long" : node.kind}()`;
  switch (node.kind) {
    case "enum":
      return `(${code.constant(node.values)}[r.index(${node.values.length})])`;
    case "optional":
      return `(r.index(2) === ${nullIndex} ? null : ${readExpression(node.inner, code)})`;
    case "array":
      return `${code.function("r", `const out = [];\nfor (let n = r.blockCount(); n > 0; n = r.blockCount()) { while (n-- > 0) out.push(${readExpression(node.item, code)}); }\nreturn out;`)}(r)`;
    case "map":
      return `${code.function("r", `const out = {};\nfor (let n = r.blockCount(); n > 0; n = r.blockCount()) { while (n-- > 0) h.put(out, r.string(), ${readExpression(node.value, code)}); }\nreturn out;`)}(r)`;
    case "record":
      return `${readRecord(node, code)}(r)`;
  }
}

/** An object literal evaluates its properties in order, which is the order of the bytes. */
function readRecord(node: RecordNode, code: Code): string {
  const fields = node.fields.map((field) => `${quoted(field.name)}: ${readExpression(field.node, code, nullBranch(field.default))}`);
  return code.function("r", `return { ${fields.join(", ")} };`);
}
