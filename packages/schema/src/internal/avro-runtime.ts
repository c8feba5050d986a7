import type { SchemaRuntime } from "../schema-runtime.ts";
import { AvroInput } from "./avro-input.ts";
import { AvroOutput } from "./avro-output.ts";
import { compileAvroReader } from "./compile/compile-avro-reader.ts";
import { compileAvroWriter } from "./compile/compile-avro-writer.ts";
import { explainAvro } from "./explain-avro.ts";
import { misfit, misfitError } from "./misfit.ts";
import { type Codec, ownRuntime, rootName } from "./own-runtime.ts";
import type { SchemaNode } from "./schema-node.ts";

/** One pair for all codecs: everything is synchronous, and no user code runs while a value is written or read. */
const output = new AvroOutput();
const input = new AvroInput();

/** Avro binary without framing, the format of shapes with parts in state and in topics. */
export function avroRuntime(node: SchemaNode): SchemaRuntime<unknown> {
  return ownRuntime("avro", node, () => avroCodec(node));
}

function avroCodec(node: SchemaNode): Codec {
  const write = compileAvroWriter(node);
  const read = compileAvroReader(node);
  return {
    encode(value) {
      output.reset();
      write(value, output);
      return output.take();
    },
    decode(bytes, start, end) {
      try {
        const value = read(input.reset(bytes, start, end));
        if (input.atEnd) return value;
      } catch (error) {
        if (error !== misfit) throw error;
      } finally {
        input.release();
      }
      const found = explainAvro(node, bytes, start, end, rootName(node));
      throw found === undefined ? new Error(`${rootName(node)}: the compiled reader refused what the plain one reads`) : misfitError(found);
    },
  };
}
