import { RepriseError } from "../errors/reprise-error.ts";
import type { Schema } from "../schema.ts";
import type { SchemaFormat, SchemaRuntime } from "../schema-runtime.ts";
import { checkedDefault } from "./checked-default.ts";
import type { SchemaNode } from "./schema-node.ts";

const brand: unique symbol = Symbol.for("reprise.schema") as never;

/** What a schema object carries under its brand. Plain data plus one function, readable by every copy of this package. */
export interface SchemaData {
  readonly abi: 1;
  readonly format: SchemaFormat;
  /** null when the shape is not ours (Standard Schema, foreign Avro, unchecked). */
  readonly node: SchemaNode | null;
  readonly default: { readonly value: unknown } | undefined;
  /** Compiled at first use. */
  readonly runtime: () => SchemaRuntime<unknown>;
}

export function schemaDataOf(schema: unknown): SchemaData | undefined {
  if (typeof schema !== "object" || schema === null) return undefined;
  return (schema as { readonly [brand]?: SchemaData })[brand];
}

interface SchemaParts {
  readonly format: SchemaFormat;
  readonly node: SchemaNode | null;
  readonly default?: { readonly value: unknown };
  /** Null is a value too; only for shapes that are not ours (ours say it in the node). */
  readonly nullable?: boolean;
  /** Compiles the runtime for this node and nullability. */
  readonly build: (node: SchemaNode | null, nullable: boolean) => SchemaRuntime<unknown>;
}

/** The one place where schema objects are made. */
export function makeSchema<T>(parts: SchemaParts): Schema<T> {
  const { node, nullable = false } = parts;
  let compiled: SchemaRuntime<unknown> | undefined;
  const data: SchemaData = {
    abi: 1,
    format: parts.format,
    node,
    default: parts.default,
    runtime: () => (compiled ??= parts.build(node, nullable)),
  };
  const schema = {
    [brand]: data,
    optional: () => {
      const { default: _dropped, ...rest } = parts;
      if (node === null) return makeSchema({ ...rest, nullable: true });
      return node.kind === "optional" ? makeSchema(rest) : makeSchema({ ...rest, node: { kind: "optional", inner: node } });
    },
    default: (value: T) => {
      if (node === null) throw new RepriseError("SCHEMA_INVALID", `default(): only schemas made with s have defaults, not ${parts.format}`);
      return makeSchema({ ...parts, default: { value: checkedDefault(node, value) } });
    },
  };
  return Object.freeze(schema) as unknown as Schema<T>;
}
