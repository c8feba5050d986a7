import { jsonDecimal, jsonDecimalEnd, shortText } from "../json-scan.ts";
import type { FieldNode, SchemaNode } from "../schema-node.ts";
import { Code, quoted } from "./code.ts";
import { condition } from "./condition.ts";

/** The value in bytes[start, end), or undefined: the general reader has to look. */
export type JsonScanner = (bytes: Uint8Array, start: number, end: number) => unknown;

const scannable = new Set(["string", "boolean", "int", "long", "timestamp", "double"]);

/**
 * Reads the JSON that most producers write straight from the bytes, without a text and without JSON.parse: one object, fields in the declared order,
 * no white space, plain ASCII strings. It accepts nothing that JSON.parse would refuse; whatever looks different it leaves to the general
 * reader, usually at the first byte that differs. Undefined for shapes that are not flat records.
 */
export function compileJsonScanner(node: SchemaNode): JsonScanner | undefined {
  if (node.kind !== "record" || node.fields.length === 0 || !node.fields.every(canScan)) return undefined;
  const code = new Code();
  const text = code.constant(shortText);
  const decimal = `${code.constant(jsonDecimal)}(b, p, end)`;
  const decimalEnd = `${code.constant(jsonDecimalEnd)}()`;
  const body = node.fields.map((field, i) => scanField(field, i, { text, decimal, decimalEnd }));
  const value = node.fields.map((field, i) => `${quoted(field.name)}: x${i}`).join(", ");
  return code.compile(
    "b, p, end",
    `let c = 0, s = 0, h = 0, n = 0, negative = false;
if (b[end - 1] !== 125) return undefined;
${body.join("\n")}
if (b[p] !== 125 || p + 1 !== end) return undefined;
return { ${value} };`,
  );
}

/** A default or an optional field may be missing, which is not the usual form; `null` is. */
function canScan(field: FieldNode): boolean {
  const { node } = field;
  return isAscii(field.name) && scannable.has(node.kind === "optional" ? node.inner.kind : node.kind);
}

const isAscii = (text: string): boolean => /^[\x20-\x7e]*$/.test(text) && !/["\\]/.test(text);

interface Helpers {
  readonly text: string;
  readonly decimal: string;
  readonly decimalEnd: string;
}

function scanField(field: FieldNode, i: number, helpers: Helpers): string {
  const literal = `${i === 0 ? "{" : ","}"${field.name}":`;
  const x = `x${i}`;
  const { node } = field;
  const inner = node.kind === "optional" ? node.inner : node;
  const read = `${scanValue(inner, x, helpers)}`;
  const guarded = node.kind === "optional" ? `if (b[p] === 110) { ${expectBytes("null")} ${x} = null; } else { ${read} }` : read;
  return `${expectBytes(literal)}\nlet ${x};\n${guarded}`;
}

function expectBytes(text: string): string {
  const checks = [...Buffer.from(text, "latin1")].map((byte, i) => `b[p + ${i}] !== ${byte}`);
  return `if (${checks.join(" || ")}) return undefined;\np += ${text.length};`;
}

function scanValue(node: SchemaNode, x: string, helpers: Helpers): string {
  switch (node.kind) {
    case "string":
      // The end is checked first: what follows the record in the buffer is not ours.
      return `if (b[p] !== 34) return undefined;
s = ++p; h = 0x811c9dc5;
for (;;) { if (p >= end) return undefined; c = b[p]; if (c === 34) break; if (c < 32 || c > 126 || c === 92) return undefined; h = Math.imul(h ^ c, 0x01000193); p++; }
${x} = ${helpers.text}(b, s, p, h); p++;`;
    case "boolean":
      return `if (b[p] === 116) { ${expectBytes("true")} ${x} = true; } else { ${expectBytes("false")} ${x} = false; }`;
    case "double":
      return `${x} = ${helpers.decimal}; if (${x} !== ${x}) return undefined; p = ${helpers.decimalEnd};
if (!(${condition(node, x, "json")})) return undefined;`;
    case "int":
    case "long":
    case "timestamp":
      // Up to 15 digits every step is exact; a leading zero, a fraction or an exponent is for the general reader.
      return `negative = b[p] === 45; if (negative) p++;
s = p; n = 0;
for (c = b[p] - 48; c >= 0 && c <= 9; c = b[p] - 48) { n = n * 10 + c; p++; }
if (p === s || p - s > 15 || (b[s] === 48 && p - s > 1) || c === -2 || c === 53 || c === 21) return undefined;
${x} = negative ? -n : n;
if (!(${condition(node, x, "json")})) return undefined;`;
    default:
      throw new Error(`a field of kind ${node.kind} can't be scanned`);
  }
}
