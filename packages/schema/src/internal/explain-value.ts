import { type Misfit, show } from "./misfit.ts";
import { describeNode, type SchemaNode } from "./schema-node.ts";

/** Values as handlers have them, or as JSON.parse returns them (bytes: base64, bigint: decimal string). */
export type ValueForm = "value" | "json-value" | "json";

/** The first place at which a value does not fit, or undefined when it fits. Slow: for messages and declarations. */
export function explainValue(node: SchemaNode, value: unknown, form: ValueForm, path: string): Misfit | undefined {
  const wrong = (): Misfit => ({ path, expected: describeNode(node), got: show(value) });
  switch (node.kind) {
    case "optional":
      return value === null || value === undefined ? undefined : explainValue(node.inner, value, form, path);
    case "array": {
      if (!Array.isArray(value)) return wrong();
      for (let i = 0; i < value.length; i += 1) {
        const found = explainValue(node.item, value[i], form, `${path}[${i}]`);
        if (found) return found;
      }
      return undefined;
    }
    case "map":
      return explainMap(node.value, value, form, path) ?? (isObject(value) ? undefined : wrong());
    case "record": {
      if (!isObject(value)) return wrong();
      for (const field of node.fields) {
        const held = Object.hasOwn(value, field.name) || !(field.name in Object.prototype) ? value[field.name] : undefined;
        if (held === undefined && field.default !== undefined) continue;
        const found = explainValue(field.node, held, form, `${path}.${field.name}`);
        if (found) return found;
      }
      return undefined;
    }
    default:
      return fits(node, value, form) ? undefined : wrong();
  }
}

function explainMap(item: SchemaNode, value: unknown, form: ValueForm, path: string): Misfit | undefined {
  if (!isObject(value)) return undefined;
  for (const key of Object.keys(value)) {
    if (!isWellFormed(key)) return { path, expected: "keys of well-formed Unicode", got: show(key) };
    const found = explainValue(item, value[key], form, `${path}[${JSON.stringify(key)}]`);
    if (found) return found;
  }
  return undefined;
}

function fits(node: Exclude<SchemaNode, { kind: "optional" | "array" | "map" | "record" }>, value: unknown, form: ValueForm): boolean {
  switch (node.kind) {
    case "string":
      return typeof value === "string" && isWellFormed(value);
    case "boolean":
      return typeof value === "boolean";
    case "int":
      return typeof value === "number" && (value | 0) === value;
    case "long":
    case "timestamp":
      return Number.isSafeInteger(value);
    case "double":
      return typeof value === "number" && (form === "value" || Number.isFinite(value));
    case "bytes":
      return form === "json" ? typeof value === "string" && isBase64(value) : value instanceof Uint8Array;
    case "bigint":
      return form === "json" ? bigintOfJson(value) !== undefined : typeof value === "bigint" && BigInt.asIntN(64, value) === value;
    case "enum":
      return typeof value === "string" && node.values.includes(value);
  }
}

export function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

/** `String.prototype.isWellFormed` of ES2024; Node 20 has it, the ES2023 library types do not. */
export function isWellFormed(text: string): boolean {
  return (text as unknown as { isWellFormed(): boolean }).isWellFormed();
}

const base64Pattern = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

export function isBase64(text: string): boolean {
  return base64Pattern.test(text);
}

/** A decimal string, or a number that is exact; undefined when it is neither or beyond 64 bits. */
export function bigintOfJson(value: unknown): bigint | undefined {
  if (typeof value === "number" ? !Number.isSafeInteger(value) : typeof value !== "string" || !/^-?\d{1,19}$/.test(value)) return undefined;
  const parsed = BigInt(value as string | number);
  return BigInt.asIntN(64, parsed) === parsed ? parsed : undefined;
}
