/** The shapes that `s` can build: a tree of plain data, so that any copy of this package can read it. */
export type SchemaNode = PrimitiveNode | EnumNode | ArrayNode | MapNode | RecordNode | OptionalNode;

export type PrimitiveKind = "string" | "boolean" | "int" | "long" | "double" | "bytes" | "bigint" | "timestamp";
export interface PrimitiveNode {
  readonly kind: PrimitiveKind;
}
export interface EnumNode {
  readonly kind: "enum";
  readonly name: string;
  readonly values: readonly string[];
}
export interface ArrayNode {
  readonly kind: "array";
  readonly item: SchemaNode;
}
export interface MapNode {
  readonly kind: "map";
  readonly value: SchemaNode;
}
export interface RecordNode {
  readonly kind: "record";
  readonly name: string;
  readonly fields: readonly FieldNode[];
}
export interface OptionalNode {
  readonly kind: "optional";
  readonly inner: SchemaNode;
}

export interface FieldNode {
  readonly name: string;
  readonly node: SchemaNode;
  /** Boxed: a default may be null. */
  readonly default: { readonly value: unknown } | undefined;
}

export function isPrimitive(node: SchemaNode): node is PrimitiveNode {
  return node.kind !== "enum" && node.kind !== "array" && node.kind !== "map" && node.kind !== "record" && node.kind !== "optional";
}

/** For messages: `record Flight`, `array of string`, `"a" | "b"`. */
export function describeNode(node: SchemaNode): string {
  switch (node.kind) {
    case "enum":
      return node.values.map((value) => JSON.stringify(value)).join(" | ");
    case "array":
      return `array of ${describeNode(node.item)}`;
    case "map":
      return `map of ${describeNode(node.value)}`;
    case "record":
      return `record ${node.name}`;
    case "optional":
      return `${describeNode(node.inner)} or null`;
    case "int":
      return "int (32 bits)";
    case "long":
      return "long (a safe integer)";
    case "timestamp":
      return "timestamp (epoch ms, a safe integer)";
    case "bigint":
      return "bigint (64 bits)";
    case "string":
      return "string (well-formed Unicode)";
    default:
      return node.kind;
  }
}
