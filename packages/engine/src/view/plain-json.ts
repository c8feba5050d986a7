/** Values that no schema writes, as `toJson` of a schema would write them: bigints as decimal strings, bytes as base64. */
export function plainJson(value: unknown): string {
  return JSON.stringify(value, function (this: { readonly [name: string]: unknown }, name, found: unknown) {
    // Before `Buffer.toJSON`.
    const given = this[name];
    if (given instanceof Uint8Array) return Buffer.from(given).toString("base64");
    return typeof given === "bigint" ? String(given) : found;
  });
}
