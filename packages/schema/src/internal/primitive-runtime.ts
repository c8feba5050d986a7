import type { SchemaRuntime } from "../schema-runtime.ts";
import { misfit, misfitError } from "./misfit.ts";
import { type Codec, ownRuntime } from "./own-runtime.ts";
import { primitiveCodecs } from "./primitive-codec.ts";
import { describeNode, type PrimitiveNode } from "./schema-node.ts";

/** A bare primitive: the bytes of Kafka's own serializers, so that any client reads and writes such keys and values. */
export function primitiveRuntime(node: PrimitiveNode): SchemaRuntime<unknown> {
  const { lengthBytes, encode, decode } = primitiveCodecs[node.kind];
  return ownRuntime(
    "primitive",
    node,
    ({ check }): Codec => ({
      encode(value) {
        check(value);
        return encode(value as never);
      },
      decode(bytes, start, end) {
        if (lengthBytes !== undefined && end - start !== lengthBytes) {
          throw misfitError({ path: node.kind, expected: `${describeNode(node)} in ${lengthBytes} bytes`, got: `${end - start} bytes` });
        }
        try {
          return decode(bytes, start, end);
        } catch (error) {
          throw error === misfit ? misfitError({ path: node.kind, expected: describeNode(node), got: "other bytes" }) : error;
        }
      },
    }),
  );
}
