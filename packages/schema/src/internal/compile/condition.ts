import type { EnumNode, PrimitiveNode } from "../schema-node.ts";

/** The expression that holds exactly when `x` (a variable) fits, for shapes without parts. */
export function condition(node: PrimitiveNode | EnumNode, x: string, form: "value" | "json"): string {
  switch (node.kind) {
    case "string":
      return `(typeof ${x} === "string" && ${x}.isWellFormed())`;
    case "boolean":
      return `(typeof ${x} === "boolean")`;
    case "int":
      return `(typeof ${x} === "number" && (${x} | 0) === ${x})`;
    case "long":
    case "timestamp":
      return `Number.isSafeInteger(${x})`;
    case "double":
      return form === "json" ? `Number.isFinite(${x})` : `(typeof ${x} === "number")`;
    case "bytes":
      return `(${x} instanceof Uint8Array)`;
    case "bigint":
      return `(typeof ${x} === "bigint" && BigInt.asIntN(64, ${x}) === ${x})`;
    case "enum":
      return `(${node.values.map((value) => `${x} === ${JSON.stringify(value)}`).join(" || ")})`;
  }
}
