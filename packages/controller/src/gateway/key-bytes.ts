/** How a manifest describes the schema of a key. */
export interface KeyShape {
  readonly format: string;
  readonly kind: string;
}

/**
 * The bytes that a key has on the log, from its text in a URL: only for keys that Kafka's own serializers write the same way
 * everywhere. Undefined for all others: then a worker has to say who owns the key.
 */
export function keyBytes(shape: KeyShape, text: string): Uint8Array | undefined {
  if (shape.format !== "primitive") return undefined;
  switch (shape.kind) {
    case "string":
      return Buffer.from(text, "utf8");
    case "int": {
      const value = Number(text);
      if (!/^-?\d+$/.test(text) || value !== (value | 0)) return undefined;
      const bytes = Buffer.alloc(4);
      bytes.writeInt32BE(value);
      return bytes;
    }
    case "long":
    case "timestamp": {
      if (!/^-?\d{1,18}$/.test(text)) return undefined;
      const bytes = Buffer.alloc(8);
      bytes.writeBigInt64BE(BigInt(text));
      return bytes;
    }
    default:
      return undefined;
  }
}
