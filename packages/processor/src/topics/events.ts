import { describeSchema, type Fields, type Schema, type TypeOf } from "@reprise/schema";
import { checkEventType, checkTopicName } from "../internal/check-name.ts";
import { checkOptions, refuseDeclaration } from "../internal/check-options.ts";
import { checkSchema } from "../internal/check-schema.ts";
import type { AnyKey } from "../key.ts";
import { checkKey } from "./check-key.ts";
import { timedInput, topicOptionNames, type TimedInput, type TopicOptions } from "./topic-options.ts";

/** Several types in one topic. */
export interface Events<K extends AnyKey, E extends Fields> {
  readonly kind: "events";
  readonly name: string;
  readonly key: K;
  readonly events: E;
}

/** Which bytes tell the types of a topic apart: a field of the JSON value, a header, or the registry's schema id. */
export type EventDiscriminator = { readonly field: string } | { readonly header: string } | "registry";

/** Any event of a topic, with its type. */
export type AnyEvent<E extends Fields> = { [N in keyof E & string]: { readonly type: N; readonly data: TypeOf<E[N]> } }[keyof E & string];

export interface EventsDefinition extends TimedInput {
  readonly kind: "events";
  readonly name: string;
  readonly key: AnyKey;
  readonly events: { readonly [type: string]: Schema<unknown> };
  readonly by: EventDiscriminator;
}

/**
 * Several types in one topic; `by` says which bytes tell them apart.
 * @throws RepriseError INVALID_NAME, INVALID_DECLARATION, SCHEMA_INVALID
 */
export function events<const K extends AnyKey, const E extends Fields>(
  name: string,
  o: { readonly key: K; readonly of: E; readonly by: EventDiscriminator } & TopicOptions<AnyEvent<NoInfer<E>>>,
): Events<K, E> {
  const what = `events ${name}`;
  checkTopicName(name, "events");
  checkOptions(o, [...topicOptionNames, "of", "by"], what);
  checkKey(o.key, what);
  if (typeof o.of !== "object" || o.of === null || Object.keys(o.of).length === 0)
    refuseDeclaration(what, "of: expected at least one type of event");
  for (const [type, schema] of Object.entries(o.of)) {
    checkEventType(type, what);
    checkSchema(schema, `${what}: type ${type}`);
  }
  const definition: Events<K, E> & TimedInput & { readonly by: EventDiscriminator } = {
    kind: "events",
    name,
    key: o.key,
    events: o.of,
    by: checkDiscriminator(o.by, o.of, what),
    ...timedInput(o as TopicOptions<never>, what),
  };
  return Object.freeze(definition);
}

/** Only JSON has a field that can be read before it is known what the rest is. */
const withFields: readonly string[] = ["json", "json-unchecked", "standard", "registry"];

function checkDiscriminator(by: EventDiscriminator, of: Fields, what: string): EventDiscriminator {
  if (by === "registry") return by;
  const given: { readonly field?: unknown; readonly header?: unknown } | null | undefined = by;
  const named = given?.field ?? given?.header;
  if (typeof named !== "string" || named.length === 0)
    refuseDeclaration(what, 'by: expected { field: "type" }, { header: "type" } or "registry"');
  if (given?.field === undefined) return by;
  for (const [type, schema] of Object.entries(of)) {
    const { format } = describeSchema(schema);
    if (!withFields.includes(format))
      refuseDeclaration(what, `by: a field tells JSON apart, and type ${type} is ${format}; use json(...), or a header`);
  }
  return by;
}
