import type { Fields, Schema } from "@reprise/schema";
import { checkSyncFunction } from "../internal/check-function.ts";
import { checkTopicName } from "../internal/check-name.ts";
import { checkOptions, refuseDeclaration } from "../internal/check-options.ts";
import type { AnyKey, KeyOf } from "../key.ts";
import { checkKey } from "./check-key.ts";
import type { AnyEvent, Events, EventsDefinition } from "./events.ts";
import type { Topic, TopicDefinition } from "./topic.ts";

/** What `by` returns: one key, several, or null for none. */
export type RekeyResult<K> = K | null | readonly K[];

/**
 * A topic read under another key. To handlers it is its source; the engine routes each record through an internal topic of its own,
 * which is what `name` names within the processor.
 */
export interface RekeyDefinition {
  readonly kind: "rekey";
  /** `<source>-by-<key>`: unique among a processor's inputs, not a topic of Kafka. */
  readonly name: string;
  readonly from: TopicDefinition | EventsDefinition;
  readonly key: AnyKey;
  /** Of the decoded value (topic) or the event `{type, data}` (events). */
  readonly by: (valueOrEvent: unknown) => unknown;
}

/** The key that records have before they get another: what a test sends them under. */
export interface RekeyedFrom<F extends AnyKey> {
  readonly from: { readonly key: F };
}

/**
 * Through an internal topic, exactly once, watermarks carried over. null skips, an array fans out: so a key that is itself an
 * array must be returned in one.
 * @throws RepriseError INVALID_DECLARATION, ASYNC_HANDLER
 */
export function rekey<const K extends AnyKey, V, const F extends AnyKey>(
  from: Topic<F, V>,
  o: { readonly key: K; readonly by: (value: NoInfer<V>) => KeyOf<K> | null | readonly KeyOf<K>[] },
): Topic<K, V> & RekeyedFrom<F>;
export function rekey<const K extends AnyKey, E extends Fields, const F extends AnyKey>(
  from: Events<F, E>,
  o: { readonly key: K; readonly by: (event: AnyEvent<NoInfer<E>>) => KeyOf<K> | null | readonly KeyOf<K>[] },
): Events<K, E> & RekeyedFrom<F>;
export function rekey<K extends AnyKey>(
  from: { readonly kind: string; readonly name: string },
  o: { readonly key: K; readonly by: (value: never) => unknown },
): Topic<K, never> & Events<K, Fields> & RekeyedFrom<AnyKey> {
  if (from?.kind !== "topic" && from?.kind !== "events") refuseDeclaration("rekey", "expected a topic or events to read from");
  const what = `rekey of ${from.name}`;
  checkOptions(o, ["key", "by"], what);
  checkKey(o.key, what);
  checkSyncFunction(o.by, `${what}: by`);
  const name = `${from.name}-by-${o.key.name}`;
  checkTopicName(name, "rekey");
  const source = from as TopicDefinition | EventsDefinition;
  const definition: RekeyDefinition & { readonly value?: Schema<unknown>; readonly events?: EventsDefinition["events"] } = {
    kind: "rekey",
    name,
    from: source,
    key: o.key,
    by: o.by as RekeyDefinition["by"],
    ...(source.kind === "topic" ? { value: source.value } : { events: source.events }),
  };
  return Object.freeze(definition) as unknown as Topic<K, never> & Events<K, Fields> & RekeyedFrom<AnyKey>;
}
