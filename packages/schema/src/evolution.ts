import avsc from "avsc";
import type { SchemaDescription } from "./describe-schema.ts";
import { avroRuntime } from "./internal/avro-runtime.ts";
import { jsonRuntime } from "./internal/json-runtime.ts";
import { nodeOfAvro } from "./internal/node-of-avro.ts";
import { primitiveRuntime } from "./internal/primitive-runtime.ts";
import { describeNode, isPrimitive, type SchemaNode } from "./internal/schema-node.ts";
import type { SchemaRuntime } from "./schema-runtime.ts";

/** Why what was written with one schema can't be read with another. */
export interface Incompatibility {
  /** Of the field, like `Account.tier`. */
  readonly path: string;
  readonly reason: string;
}

/**
 * Whether every value that was written with `written` has a value of `now`, by the rules of Avro's schema resolution: fields may be dropped, added
 * when they have a default or may be null, made nullable, and numbers widened (int to long or double, long to double). Names of records don't count.
 * Undefined: it has.
 */
export function schemaIncompatibility(written: SchemaDescription, now: SchemaDescription): Incompatibility | undefined {
  if (written.fingerprint === now.fingerprint) return undefined;
  const [from, to] = [nodeOfAvro(written.avro), nodeOfAvro(now.avro)];
  if (from !== undefined && to !== undefined) return difference(from, to, rootOf(to));
  if (isOpenJson(now) && isJson(written)) return undefined;
  if (written.format === "avro" && now.format === "avro") return foreignDifference(written, now);
  return { path: now.kind, reason: `was ${written.format}, is ${now.format}` };
}

/**
 * Makes bytes of `now` out of bytes of `written`; undefined when they are the same. The two must be compatible.
 * @returns a function that throws RepriseError SCHEMA_INVALID for bytes that are none of `written`, or whose value `now` refuses
 */
export function evolveBytes(written: SchemaDescription, now: SchemaRuntime<unknown>): ((bytes: Buffer) => Buffer) | undefined {
  if (written.fingerprint === now.fingerprint) return undefined;
  const node = nodeOfAvro(written.avro);
  // A value may be written with fields left out: what is missing is filled in.
  if (node !== undefined && now.format !== "standard" && nodeOfAvro(now.avro) !== undefined) {
    const old = runtimeOf(written, node);
    return (bytes) => now.encode(old.decode(bytes, 0, bytes.length));
  }
  if (isJson(written)) return (bytes) => now.encode(now.decode(bytes, 0, bytes.length));
  const type = avsc.Type.forSchema(now.avro as avsc.Schema);
  const writer = avsc.Type.forSchema(written.avro as avsc.Schema);
  const resolver = type.createResolver(writer);
  return (bytes) => type.toBuffer(type.fromBuffer(bytes, resolver));
}

function runtimeOf({ format }: SchemaDescription, node: SchemaNode): SchemaRuntime<unknown> {
  if (format === "json") return jsonRuntime(node);
  return format === "primitive" && isPrimitive(node) ? primitiveRuntime(node) : avroRuntime(node);
}

const isJson = ({ format }: SchemaDescription): boolean => format === "json" || format === "json-unchecked" || format === "standard";
const isOpenJson = ({ format }: SchemaDescription): boolean => format === "json-unchecked" || format === "standard";
const rootOf = (node: SchemaNode): string => (node.kind === "record" || node.kind === "enum" ? node.name : node.kind);

const widened: { readonly [kind: string]: readonly string[] } = { int: ["long", "double"], long: ["double"] };

function difference(from: SchemaNode, to: SchemaNode, path: string): Incompatibility | undefined {
  if (to.kind === "optional") return difference(from.kind === "optional" ? from.inner : from, to.inner, path);
  if (from.kind === "optional") return { path, reason: `may be null in what was written, and is ${describeNode(to)} now` };
  if (from.kind === "record" && to.kind === "record") {
    for (const field of to.fields) {
      const before = from.fields.find(({ name }) => name === field.name);
      const at = `${path}.${field.name}`;
      if (before !== undefined) {
        const found = difference(before.node, field.node, at);
        if (found !== undefined) return found;
      } else if (field.default === undefined && field.node.kind !== "optional")
        return { path: at, reason: "is new, has no default and may not be null" };
    }
    return undefined;
  }
  if (from.kind === "array" && to.kind === "array") return difference(from.item, to.item, `${path}[]`);
  if (from.kind === "map" && to.kind === "map") return difference(from.value, to.value, `${path}[]`);
  if (from.kind === "enum" && to.kind === "enum") {
    const lost = from.values.filter((value) => !to.values.includes(value));
    return lost.length === 0 ? undefined : { path, reason: `no longer has ${lost.map((value) => JSON.stringify(value)).join(", ")}` };
  }
  if (from.kind === to.kind || widened[from.kind]?.includes(to.kind) === true) return undefined;
  return { path, reason: `was ${describeNode(from)}, is ${describeNode(to)}` };
}

function foreignDifference(written: SchemaDescription, now: SchemaDescription): Incompatibility | undefined {
  try {
    avsc.Type.forSchema(now.avro as avsc.Schema).createResolver(avsc.Type.forSchema(written.avro as avsc.Schema));
    return undefined;
  } catch (error) {
    return { path: now.kind, reason: (error as Error).message };
  }
}
