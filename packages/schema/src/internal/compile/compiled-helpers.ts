import { bigintOfJson, isBase64, isWellFormed } from "../explain-value.ts";
import { fail } from "../misfit.ts";

/** Characters that JSON escapes, and surrogates, which may be unpaired. */
const escaped = /["\\\u0000-\u001f\ud800-\udfff]/;

/** What compiled code calls. */
export const compiledHelpers = {
  fail,

  jsonString(text: string): string {
    if (!escaped.test(text)) return `"${text}"`;
    return isWellFormed(text) ? JSON.stringify(text) : fail();
  },

  base64OfBytes(bytes: Uint8Array): string {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64");
  },

  bytesOfBase64(text: unknown): Uint8Array {
    if (typeof text !== "string" || !isBase64(text)) fail();
    return new Uint8Array(Buffer.from(text, "base64"));
  },

  bigintOfJson(value: unknown): bigint {
    return bigintOfJson(value) ?? fail();
  },

  copyBytes(bytes: Uint8Array): Uint8Array {
    return new Uint8Array(bytes);
  },

  /** `map[key] = value`, without the setter that `__proto__` is. */
  put(map: { [key: string]: unknown }, key: string, value: unknown): void {
    if (key === "__proto__") Object.defineProperty(map, key, { value, writable: true, enumerable: true, configurable: true });
    else map[key] = value;
  },

  /** Keys in code unit order: equal maps have equal bytes. */
  sortedKeys(map: object): string[] {
    const keys = Object.keys(map);
    for (const key of keys) if (!isWellFormed(key)) fail();
    return keys.length > 1 ? keys.sort() : keys;
  },

  isObject(value: unknown): boolean {
    return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
  },
};
