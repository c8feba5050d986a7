import type { SchemaFormat, SchemaRuntime } from "../schema-runtime.ts";
import { avroJson } from "./avro-json.ts";
import { compileCheck } from "./compile/compile-check.ts";
import { compileClone } from "./compile/compile-clone.ts";
import { compileJsonReader } from "./compile/compile-json-reader.ts";
import { compileJsonWriter } from "./compile/compile-json-writer.ts";
import { explainValue, type ValueForm } from "./explain-value.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { parseJson } from "./json-text.ts";
import { misfit, misfitError } from "./misfit.ts";
import type { SchemaNode } from "./schema-node.ts";

/** A codec's two functions; they throw the misfit sentinel. */
export interface Codec {
  encode(value: unknown): Buffer;
  decode(bytes: Buffer, start: number, end: number): unknown;
}

/** What messages call the outermost value. */
export function rootName(node: SchemaNode): string {
  if (node.kind === "record" || node.kind === "enum") return node.name;
  return node.kind === "optional" ? rootName(node.inner) : node.kind;
}

/** The runtime of a shape made with `s`, for the codec of its wire format. */
export function ownRuntime(format: SchemaFormat, node: SchemaNode, makeCodec: (parts: OwnParts) => Codec): SchemaRuntime<unknown> {
  const avro = avroJson(node);
  const name = rootName(node);
  const explain = (value: unknown, form: ValueForm, error: unknown): never => {
    const found = error === misfit ? explainValue(node, value, form, name) : undefined;
    throw found === undefined ? error : misfitError(found);
  };
  const parts = ownParts(node, name, explain);
  const codec = makeCodec(parts);
  return {
    format,
    kind: node.kind,
    avro,
    fingerprint: fingerprintOf(format, avro),
    encode(value) {
      try {
        return codec.encode(value);
      } catch (error) {
        return explain(value, format === "json" ? "json-value" : "value", error);
      }
    },
    decode: codec.decode,
    clone: compileClone(node),
    check: parts.check,
    toJson: parts.toJson,
    fromJson: (text) => parts.ofParsed(parseJson(text, name)),
  };
}

/** Compiled at first use: most schemas need only some of these. */
export interface OwnParts {
  readonly name: string;
  /** @throws RepriseError SCHEMA_INVALID */
  check(value: unknown): void;
  /** @throws RepriseError SCHEMA_INVALID */
  toJson(value: unknown): string;
  /** Throws the sentinel. */
  jsonText(value: unknown): string;
  /** From JSON.parse's result. @throws RepriseError SCHEMA_INVALID */
  ofParsed(parsed: unknown): unknown;
}

function ownParts(node: SchemaNode, name: string, explain: (value: unknown, form: ValueForm, error: unknown) => never): OwnParts {
  let write: ((value: unknown) => string) | undefined;
  let read: ((parsed: unknown) => unknown) | undefined;
  let check: ((value: unknown) => void) | undefined;
  const jsonText = (value: unknown): string => (write ??= compileJsonWriter(node))(value);
  return {
    name,
    jsonText,
    check(value) {
      try {
        (check ??= compileCheck(node))(value);
      } catch (error) {
        explain(value, "value", error);
      }
    },
    toJson(value) {
      try {
        return jsonText(value);
      } catch (error) {
        return explain(value, "json-value", error);
      }
    },
    ofParsed(parsed) {
      try {
        return (read ??= compileJsonReader(node))(parsed);
      } catch (error) {
        return explain(parsed, "json", error);
      }
    },
  };
}
