import { RepriseError } from "../errors/reprise-error.ts";
import { nullBranch } from "./compile/compile-avro-writer.ts";
import type { FieldNode, RecordNode, SchemaNode } from "./schema-node.ts";

/** JSON data of an Avro schema. */
export type AvroJson = string | readonly AvroJson[] | { readonly [attribute: string]: unknown };

/**
 * The Avro schema of a shape. A named type is written out where it occurs first and referred to by name afterwards, as Avro wants.
 * @throws RepriseError SCHEMA_INVALID when one name stands for two shapes
 */
export function avroJson(node: SchemaNode): AvroJson {
  return write(node, new Map(), undefined);
}

type Named = Map<string, string>;

function write(node: SchemaNode, named: Named, field: FieldNode | undefined): AvroJson {
  switch (node.kind) {
    case "timestamp":
      return { type: "long", logicalType: "timestamp-millis" };
    // Readers ignore logical types that they don't know: to them it is a long.
    case "bigint":
      return { type: "long", logicalType: "reprise-bigint" };
    case "array":
      return { type: "array", items: write(node.item, named, undefined) };
    case "map":
      return { type: "map", values: write(node.value, named, undefined) };
    case "optional": {
      const inner = write(node.inner, named, undefined);
      return nullBranch(field?.default) === 0 ? ["null", inner] : [inner, "null"];
    }
    case "enum":
      return writeNamed(node.name, node, named, () => ({ type: "enum", name: node.name, symbols: node.values }));
    case "record":
      return writeNamed(node.name, node, named, () => ({ type: "record", name: node.name, fields: writeFields(node, named) }));
    default:
      return node.kind;
  }
}

function writeNamed(name: string, node: SchemaNode, named: Named, written: () => AvroJson): AvroJson {
  const shape = shapeText(node);
  const known = named.get(name);
  if (known === undefined) {
    named.set(name, shape);
    return written();
  }
  if (known !== shape)
    throw new RepriseError("SCHEMA_INVALID", `${name}: two different shapes have this name in one schema`, { details: { name } });
  return name;
}

/** Text that is equal exactly for equal shapes; bigint and bytes occur in defaults. */
function shapeText(node: SchemaNode): string {
  return JSON.stringify(node, (_name, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value instanceof Uint8Array ? `bytes ${Buffer.from(value).toString("hex")}` : value,
  );
}

function writeFields(node: RecordNode, named: Named): AvroJson[] {
  return node.fields.map((field) => {
    const type = write(field.node, named, field);
    if (field.default !== undefined) return { name: field.name, type, default: defaultJson(field.node, field.default.value) };
    return field.node.kind === "optional" ? { name: field.name, type, default: null } : { name: field.name, type };
  });
}

/** A default as Avro writes it: bytes as a string of code points 0 to 255, everything else as JSON. */
function defaultJson(node: SchemaNode, value: unknown): unknown {
  switch (node.kind) {
    case "bytes":
      return Buffer.from(value as Uint8Array).toString("latin1");
    case "bigint":
      return Number(value as bigint);
    case "optional":
      return value === null || value === undefined ? null : defaultJson(node.inner, value);
    case "array":
      return (value as readonly unknown[]).map((item) => defaultJson(node.item, item));
    case "map":
      return Object.fromEntries(Object.entries(value as object).map(([key, item]) => [key, defaultJson(node.value, item)]));
    case "record":
      return Object.fromEntries(
        node.fields.map((field) => {
          const held = (value as { readonly [name: string]: unknown })[field.name];
          return [field.name, defaultJson(field.node, held === undefined ? field.default?.value : held)];
        }),
      );
    default:
      return value;
  }
}
