import type { Schema } from "@reprise/schema";
import { checkName } from "./internal/check-name.ts";
import { checkSchema } from "./internal/check-schema.ts";

/** Keys are equal when their NAMES are: two string keys with different meanings can't be joined by mistake. */
export interface Key<N extends string, K> {
  readonly name: N;
  readonly schema: Schema<K>;
}

// oxlint-disable-next-line typescript/no-explicit-any -- Key is invariant in its value, so no other constraint admits every key
export type AnyKey = Key<string, any>;

/** The value type of a key. */
// oxlint-disable-next-line typescript/no-explicit-any -- a position that nothing is inferred from
export type KeyOf<K> = K extends Key<any, infer V> ? V : never;

/**
 * A kind of key, such as `card` or `airport`.
 * @throws RepriseError INVALID_NAME, SCHEMA_INVALID
 * @example
 * const card = key("card", s.string);
 */
export function key<const N extends string, K>(name: N, schema: Schema<K>): Key<N, K> {
  checkName(name, "key");
  checkSchema(schema, `key ${name}`);
  return Object.freeze({ name, schema });
}
