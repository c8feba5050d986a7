import type { Schema } from "@reprise/schema";
import { checkTopicName } from "../internal/check-name.ts";
import { checkOptions } from "../internal/check-options.ts";
import { checkSchema } from "../internal/check-schema.ts";
import type { AnyKey } from "../key.ts";
import { checkKey } from "./check-key.ts";
import { timedInput, topicOptionNames, type TimedInput, type TopicOptions } from "./topic-options.ts";

/** One schema per topic: the usual case. */
export interface Topic<K extends AnyKey, V> {
  readonly kind: "topic";
  readonly name: string;
  readonly key: K;
  readonly value: Schema<V>;
}

export interface TopicDefinition extends TimedInput {
  readonly kind: "topic";
  readonly name: string;
  readonly key: AnyKey;
  readonly value: Schema<unknown>;
}

/**
 * A topic. As output: per record, in order, never coalesced.
 * @throws RepriseError INVALID_NAME, INVALID_DECLARATION, SCHEMA_INVALID
 * @example
 * const payments = topic("payments", { key: card, value: json(Payment) });
 */
export function topic<const K extends AnyKey, V>(
  name: string,
  o: { readonly key: K; readonly value: Schema<V> } & TopicOptions<NoInfer<V>>,
): Topic<K, V> {
  const what = `topic ${name}`;
  checkTopicName(name, "topic");
  checkOptions(o, [...topicOptionNames, "value"], what);
  checkKey(o.key, what);
  checkSchema(o.value, `${what}: value`);
  const definition: Topic<K, V> & TimedInput = {
    kind: "topic",
    name,
    key: o.key,
    value: o.value,
    ...timedInput(o as TopicOptions<never>, what),
  };
  return Object.freeze(definition);
}
