import type { FieldNode, SchemaNode } from "./schema-node.ts";

type Json = { readonly [attribute: string]: unknown };

/** The shape that `avroJson` wrote, as far as reading needs it: defaults as JSON has them. Undefined when it is none of ours. */
export function nodeOfAvro(avro: unknown): SchemaNode | undefined {
  try {
    return read(avro, new Map());
  } catch (error) {
    if (error === notOurs) return undefined;
    throw error;
  }
}

const notOurs = new Error("a schema that s can't build");
const primitives: ReadonlySet<unknown> = new Set(["string", "boolean", "int", "long", "double", "bytes"]);

function read(avro: unknown, named: Map<string, SchemaNode>): SchemaNode {
  if (typeof avro === "string") {
    const node = primitives.has(avro) ? ({ kind: avro } as SchemaNode) : named.get(avro);
    if (node === undefined) throw notOurs;
    return node;
  }
  if (Array.isArray(avro)) {
    const [inner, ...more] = (avro as readonly unknown[]).filter((branch) => branch !== "null");
    if (inner === undefined || more.length > 0 || avro.length !== 2) throw notOurs;
    return { kind: "optional", inner: read(inner, named) };
  }
  if (typeof avro !== "object" || avro === null) throw notOurs;
  return readObject(avro as Json, named);
}

function readObject(avro: Json, named: Map<string, SchemaNode>): SchemaNode {
  const { type, logicalType, name } = avro;
  if (type === "long" && logicalType === "timestamp-millis") return { kind: "timestamp" };
  if (type === "long" && logicalType === "reprise-bigint") return { kind: "bigint" };
  if (type === "array") return { kind: "array", item: read(avro["items"], named) };
  if (type === "map") return { kind: "map", value: read(avro["values"], named) };
  if (typeof name !== "string" || avro["namespace"] !== undefined || logicalType !== undefined) throw notOurs;
  if (type === "enum") {
    const node: SchemaNode = { kind: "enum", name, values: avro["symbols"] as string[] };
    named.set(name, node);
    return node;
  }
  if (type !== "record") throw notOurs;
  const node: SchemaNode = { kind: "record", name, fields: (avro["fields"] as Json[]).map((field) => readField(field, named)) };
  named.set(name, node);
  return node;
}

function readField(field: Json, named: Map<string, SchemaNode>): FieldNode {
  return {
    name: field["name"] as string,
    node: read(field["type"], named),
    default: Object.hasOwn(field, "default") ? { value: field["default"] } : undefined,
  };
}
