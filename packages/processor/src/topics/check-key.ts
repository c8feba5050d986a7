import { refuseDeclaration } from "../internal/check-options.ts";
import { checkSchema } from "../internal/check-schema.ts";
import type { AnyKey } from "../key.ts";

/** @throws RepriseError INVALID_DECLARATION unless it is what `key` returns */
export function checkKey(key: AnyKey, what: string): void {
  const given: unknown = key;
  if (typeof given !== "object" || given === null || typeof key.name !== "string")
    refuseDeclaration(what, 'expected a key, such as key("card", s.string)');
  checkSchema(key.schema, `${what}: key ${key.name}`);
}
