import avsc from "avsc";
import { RepriseError } from "../errors/reprise-error.ts";
import type { SchemaKind, SchemaRuntime } from "../schema-runtime.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { parseJson } from "./json-text.ts";
import { misfitError, show } from "./misfit.ts";

type AvroType = avsc.Type;

/** @throws RepriseError SCHEMA_INVALID */
export function foreignAvroType(generated: { readonly avro: unknown }): unknown {
  const schema: unknown = (generated as { readonly avro?: unknown } | null | undefined)?.avro;
  if (schema === undefined) throw new RepriseError("SCHEMA_INVALID", "avro(): expected { avro: <Avro schema> }");
  try {
    avsc.Type.forSchema(schema as avsc.Schema);
  } catch (cause) {
    throw new RepriseError("SCHEMA_INVALID", `avro(): not an Avro schema: ${(cause as Error).message}`, { cause });
  }
  return schema;
}

/** Avro that we did not build, through avsc. */
export function foreignAvroRuntime(schema: unknown, nullable: boolean): SchemaRuntime<unknown> {
  const shape = nullable ? ["null", schema] : schema;
  const type = avsc.Type.forSchema(shape as avsc.Schema);
  const name = type.name ?? type.typeName;
  const check = (value: unknown): void => {
    type.isValid(value, {
      errorHook: (path, got, at) => {
        throw misfitError({ path: [name, ...path].join("."), expected: String(at), got: show(got) });
      },
    });
  };
  return {
    format: "avro",
    kind: kindOf(type),
    avro: shape,
    fingerprint: fingerprintOf("avro", shape),
    encode(value) {
      check(value);
      return type.toBuffer(value);
    },
    decode: (bytes, start, end) => decode(type, name, bytes, start, end),
    clone: (value) => type.clone(value) as unknown,
    check,
    toJson(value) {
      check(value);
      return type.toString(value);
    },
    fromJson(text) {
      parseJson(text, name);
      try {
        return type.fromString(text) as unknown;
      } catch (cause) {
        throw new RepriseError("SCHEMA_INVALID", `${name}: ${(cause as Error).message}`, { details: { path: name }, cause });
      }
    },
  };
}

function decode(type: AvroType, name: string, bytes: Buffer, start: number, end: number): unknown {
  let result: { readonly value: unknown; readonly offset: number };
  try {
    // The view ends where the record does, so that avsc can't read into the next one.
    result = type.decode(bytes.subarray(start, end), 0) as { value: unknown; offset: number };
  } catch (cause) {
    throw new RepriseError("SCHEMA_INVALID", `${name}: expected ${type.typeName}, got other bytes: ${(cause as Error).message}`, {
      details: { path: name },
      cause,
    });
  }
  if (result.offset < 0) throw misfitError({ path: name, expected: type.typeName, got: `only ${end - start} bytes` });
  if (result.offset !== end - start)
    throw misfitError({ path: name, expected: `${type.typeName} of ${result.offset} bytes`, got: `${end - start} bytes` });
  return result.value;
}

function kindOf(type: AvroType): SchemaKind {
  switch (type.typeName) {
    case "string":
    case "boolean":
    case "int":
    case "long":
    case "double":
    case "bytes":
    case "enum":
    case "array":
    case "map":
    case "record":
      return type.typeName;
    default:
      return "unknown";
  }
}
