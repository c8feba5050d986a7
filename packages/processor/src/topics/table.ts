import type { Schema } from "@reprise/schema";
import { checkTopicName } from "../internal/check-name.ts";
import { checkOptions } from "../internal/check-options.ts";
import { checkSchema } from "../internal/check-schema.ts";
import type { AnyKey } from "../key.ts";
import { checkKey } from "./check-key.ts";
import { timedInput, topicOptionNames, type TimedInput, type TopicOptions } from "./topic-options.ts";

/** Compacted: the last value of a key counts, null deletes. */
export interface Table<K extends AnyKey, V> {
  readonly kind: "table";
  readonly name: string;
  readonly key: K;
  readonly value: Schema<V>;
}

export interface TableDefinition extends TimedInput {
  readonly kind: "table";
  readonly name: string;
  readonly key: AnyKey;
  readonly value: Schema<unknown>;
}

/**
 * A compacted topic. As output: upserts, which may be coalesced per commit.
 * @throws RepriseError INVALID_NAME, INVALID_DECLARATION, SCHEMA_INVALID
 */
export function table<const K extends AnyKey, V>(
  name: string,
  o: { readonly key: K; readonly value: Schema<V> } & TopicOptions<NoInfer<V>>,
): Table<K, V> {
  const what = `table ${name}`;
  checkTopicName(name, "table");
  checkOptions(o, [...topicOptionNames, "value"], what);
  checkKey(o.key, what);
  checkSchema(o.value, `${what}: value`);
  const definition: Table<K, V> & TimedInput = {
    kind: "table",
    name,
    key: o.key,
    value: o.value,
    ...timedInput(o as TopicOptions<never>, what),
  };
  return Object.freeze(definition);
}
