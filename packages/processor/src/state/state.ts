import { type Duration, type Schema, schemaRuntime } from "@reprise/schema";
import { checkOptions, positiveMs, refuseDeclaration } from "../internal/check-options.ts";
import { checkSchema } from "../internal/check-schema.ts";
import type { Spec, ValueViewOf, ViewKind, ViewOption } from "../spec.ts";
import type { ListStateDefinition, MapStateDefinition, ValueStateDefinition } from "./state-definition.ts";
import type { ListState, MapState, ValueState } from "./state-handles.ts";

export interface StateOptions {
  /** Event time after the last write, then the row goes. Default: for ever. */
  readonly ttl?: Duration;
}

/** What `state` is. */
export interface StateBuilder {
  /** One value per key. With `initial`, `get` never returns undefined. @throws RepriseError SCHEMA_INVALID, INVALID_DECLARATION */
  value<T, const O extends ViewOption<T> = never>(
    schema: Schema<T>,
    o: StateOptions & { readonly initial: NoInfer<T>; readonly view?: O },
  ): Spec<ValueState<T, T>, ValueViewOf<T, O>>;
  value<T, const O extends ViewOption<T> = never>(
    schema: Schema<T>,
    o?: StateOptions & { readonly view?: O },
  ): Spec<ValueState<T, T | undefined>, ValueViewOf<T, O>>;
  /** A map per key. @throws RepriseError SCHEMA_INVALID, INVALID_DECLARATION */
  map<K, V, const O extends true = never>(
    key: Schema<K>,
    value: Schema<V>,
    o?: StateOptions & { readonly view?: O },
  ): Spec<MapState<K, V>, [O] extends [never] ? never : ViewKind<{ kind: "map"; entry: K; value: V }>>;
  /** A list per key. @throws RepriseError SCHEMA_INVALID, INVALID_DECLARATION */
  list<T>(item: Schema<T>, o?: StateOptions & { readonly max?: number }): Spec<ListState<T>, never>;
}

interface ValueOptions extends StateOptions {
  readonly initial?: unknown;
  readonly view?: ViewOption<never>;
}
interface MapOptions extends StateOptions {
  readonly view?: true;
}
interface ListOptions extends StateOptions {
  readonly max?: number;
}

/**
 * State: what is persisted, under the explicit names of the declaration, one row per key (and entry or item).
 * @example
 * state: { lastSeen: state.value(s.timestamp, { ttl: "30d", view: true }) }
 */
export const state: StateBuilder = Object.freeze({
  value(schema: Schema<unknown>, o: ValueOptions = {}): ValueStateDefinition {
    checkOptions(o, ["initial", "ttl", "view"], "state.value");
    checkSchema(schema, "state.value");
    const runtime = schemaRuntime(schema);
    if (o.initial !== undefined) runtime.check(o.initial);
    return Object.freeze({
      kind: "state",
      type: "value",
      schema,
      initial: o.initial === undefined ? undefined : Object.freeze({ value: runtime.clone(o.initial) }),
      ttlMs: ttlMs(o, "state.value"),
      view: viewOf(o.view, schema),
    });
  },
  map(key: Schema<unknown>, value: Schema<unknown>, o: MapOptions = {}): MapStateDefinition {
    checkOptions(o, ["ttl", "view"], "state.map");
    checkSchema(key, "state.map: key");
    checkSchema(value, "state.map: value");
    if (o.view !== undefined && o.view !== true) refuseDeclaration("state.map: view", "expected true");
    return Object.freeze({
      kind: "state",
      type: "map",
      key,
      value,
      ttlMs: ttlMs(o, "state.map"),
      view: o.view === true ? { index: [] } : undefined,
    });
  },
  list(item: Schema<unknown>, o: ListOptions = {}): ListStateDefinition {
    checkOptions(o, ["ttl", "max"], "state.list");
    checkSchema(item, "state.list");
    if (o.max !== undefined && !(Number.isSafeInteger(o.max) && o.max > 0))
      refuseDeclaration("state.list: max", `expected a positive integer, got ${String(o.max)}`);
    return Object.freeze({ kind: "state", type: "list", item, max: o.max, ttlMs: ttlMs(o, "state.list"), view: undefined });
  },
}) as unknown as StateBuilder;

function ttlMs(o: StateOptions, what: string): number | undefined {
  return o.ttl === undefined ? undefined : positiveMs(o.ttl, `${what}: ttl`);
}

function viewOf(view: ViewOption<never> | undefined, schema: Schema<unknown>): { readonly index: readonly string[] } | undefined {
  if (view === undefined) return undefined;
  if (view === true) return Object.freeze({ index: [] });
  const index: unknown = (view as { readonly index?: unknown } | null)?.index;
  if (!Array.isArray(index) || index.length === 0) refuseDeclaration("state.value: view", "expected true or { index: [<field>, …] }");
  const fields = fieldNames(schema);
  for (const field of index as readonly string[]) {
    if (fields !== undefined && !fields.includes(field))
      refuseDeclaration("state.value: view", `index: there is no field "${String(field)}"`);
  }
  return Object.freeze({ index: Object.freeze([...(index as readonly string[])]) });
}

/** Of a record; undefined when only a validator knows. */
function fieldNames(schema: Schema<unknown>): readonly string[] | undefined {
  const { avro, kind } = schemaRuntime(schema);
  if (kind === "unknown" || kind === "optional") return undefined;
  const fields = (avro as { readonly fields?: readonly { readonly name: string }[] } | null)?.fields;
  return fields?.map((field) => field.name) ?? [];
}
