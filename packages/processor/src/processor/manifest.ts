import { describeSchema, type Schema, type SchemaDescription } from "@reprise/schema";
import type { AnyKey } from "../key.ts";
import type { StateDefinition } from "../state/state-definition.ts";
import type { EventDiscriminator, EventsDefinition } from "../topics/events.ts";
import type { TableDefinition } from "../topics/table.ts";
import type { Partitioner } from "../topics/topic-options.ts";
import type { TopicDefinition } from "../topics/topic.ts";
import type { AggregateDefinition } from "../windows/aggregate-definition.ts";
import type { WindowDefinition } from "../windows/window-definition.ts";
import type {
  HandlersDefinition,
  InputDefinition,
  OnErrorDefinition,
  Order,
  ProcessorDefinition,
  ReferenceTableDefinition,
} from "./processor-definition.ts";

export interface KeyManifest {
  readonly name: string;
  readonly schema: SchemaDescription;
}

export interface TopicManifest {
  readonly alias: string;
  /** The topic as declared, before any prefix or renaming. */
  readonly topic: string;
  readonly kind: "topic" | "table" | "events";
  readonly key: KeyManifest;
  readonly partitioner: Partitioner;
  /** null: only what its records say moves the watermark. */
  readonly outOfOrderMs: number | null;
  /** null: no limit. */
  readonly maxAheadMs: number | null;
  /** Its records may say what is over. */
  readonly hasWatermark: boolean;
  /** Event time comes from the value, not from the record's timestamp. */
  readonly hasTime: boolean;
  /** null for events. */
  readonly value: SchemaDescription | null;
  /** null but for events. */
  readonly events: { readonly [type: string]: SchemaDescription } | null;
  /** null but for events. */
  readonly by: EventDiscriminator | null;
}

/** `topic`, `partitioner` and times are those of the source; `key` is the new one. */
export interface InputManifest extends Omit<TopicManifest, "kind"> {
  readonly kind: "topic" | "table" | "events" | "rekey";
  /** The key of the source, of rekeyed inputs. */
  readonly sourceKey: KeyManifest | null;
  /** The code of `by`, of rekeyed inputs: another version may read what this one routed only where it is the same. */
  readonly rekeyedBy: string | null;
}

export interface TableManifest extends TopicManifest {
  /** null: the row of the key at hand. */
  readonly broadcast: { readonly asOf: "record" | "latest" } | null;
}

/** A declaration's part as data: durations in ms, schemas described, functions left out. */
export type PartManifest = { readonly [attribute: string]: unknown };

/**
 * What a declaration says, as JSON: made without calling a handler, equal for equal declarations. The controller, plan and
 * status work from it and never load a processor's code.
 */
export interface Manifest {
  readonly format: 1;
  readonly abi: 1;
  readonly name: string;
  readonly version: number;
  readonly key: KeyManifest;
  readonly inputs: readonly InputManifest[];
  readonly tables: readonly TableManifest[];
  readonly outputs: readonly TopicManifest[];
  readonly state: { readonly [name: string]: PartManifest };
  readonly windows: { readonly [name: string]: PartManifest };
  readonly timers: { readonly [name: string]: { readonly id: SchemaDescription | null } };
  readonly params: SchemaDescription | null;
  readonly metrics: {
    readonly [name: string]: { readonly help: string; readonly labels: { readonly [label: string]: readonly string[] } };
  };
  readonly order: Order;
  /** null: no clock input. */
  readonly clockMs: number | null;
  readonly onError: OnErrorDefinition;
  /** By older version, then state or window: what its rows are migrated from, or that they are left behind. */
  readonly migrations: { readonly [fromVersion: string]: { readonly [name: string]: SchemaDescription | "reset" } };
}

export function manifestOf(d: Omit<ProcessorDefinition, "manifest" | "handlers">): Manifest {
  return deepFreeze({
    format: 1,
    abi: 1,
    name: d.name,
    version: d.version,
    key: keyManifest(d.key),
    inputs: Object.entries(d.inputs).map(([alias, input]) => inputManifest(alias, input)),
    tables: Object.entries(d.tables).map(([alias, table]) => tableManifest(alias, table)),
    outputs: Object.entries(d.outputs).map(([alias, output]) => topicManifest(alias, output)),
    state: mapValues(d.state, stateManifest),
    windows: mapValues(d.windows, windowManifest),
    timers: mapValues(d.timers, (timer) => ({ id: described(timer.id) })),
    params: described(d.params),
    metrics: mapValues(d.metrics, ({ help, labels }) => ({ help, labels: mapValues(labels, (values) => [...values]) })),
    order: d.order,
    clockMs: d.clockMs ?? null,
    onError: { ...d.onError },
    migrations: {},
  });
}

/** The manifest of a declaration with what its handlers say of older versions. */
export function withMigrations(manifest: Manifest, migrate: HandlersDefinition["migrate"]): Manifest {
  const migrations = mapValues(migrate, (parts) => mapValues(parts, (part) => (part === "reset" ? part : describeSchema(part.from))));
  return deepFreeze({ ...manifest, migrations });
}

const described = (schema: Schema<unknown> | undefined): SchemaDescription | null => (schema === undefined ? null : describeSchema(schema));
const keyManifest = (key: AnyKey): KeyManifest => ({ name: key.name, schema: describeSchema(key.schema as Schema<unknown>) });

function topicManifest(alias: string, t: TopicDefinition | TableDefinition | EventsDefinition): TopicManifest {
  const common = {
    alias,
    topic: t.name,
    kind: t.kind,
    key: keyManifest(t.key),
    partitioner: t.partitioner,
    outOfOrderMs: Number.isFinite(t.outOfOrderMs) ? t.outOfOrderMs : null,
    maxAheadMs: t.maxAheadMs ?? null,
    hasWatermark: t.watermark !== undefined,
    hasTime: t.time !== undefined,
  };
  if (t.kind !== "events") return { ...common, value: describeSchema(t.value), events: null, by: null };
  return { ...common, value: null, events: mapValues(t.events, describeSchema), by: t.by === "registry" ? t.by : { ...t.by } };
}

function inputManifest(alias: string, input: InputDefinition): InputManifest {
  if (input.kind !== "rekey") return { ...topicManifest(alias, input), sourceKey: null, rekeyedBy: null };
  return {
    ...topicManifest(alias, input.from),
    kind: "rekey",
    key: keyManifest(input.key),
    sourceKey: keyManifest(input.from.key),
    rekeyedBy: String(input.by),
  };
}

function tableManifest(alias: string, table: ReferenceTableDefinition): TableManifest {
  if (table.kind === "broadcast") return { ...topicManifest(alias, table.table), broadcast: { asOf: table.asOf } };
  return { ...topicManifest(alias, table), broadcast: null };
}

function stateManifest(state: StateDefinition): PartManifest {
  const common = { type: state.type, ttlMs: state.ttlMs ?? null, view: state.view === undefined ? null : { index: [...state.view.index] } };
  switch (state.type) {
    case "value":
      return { ...common, schema: describeSchema(state.schema), hasInitial: state.initial !== undefined };
    case "map":
      return { ...common, key: describeSchema(state.key), value: describeSchema(state.value) };
    case "list":
      return { ...common, item: describeSchema(state.item), max: state.max ?? null };
  }
}

function windowManifest(window: WindowDefinition): PartManifest {
  const { kind: _kind, lateByDefault: _lateByDefault, aggregate, items, ...own } = window;
  const plain = Object.fromEntries(Object.entries(own).map(([name, value]) => [name, value === undefined ? null : value]));
  const sides = window.type === "join" ? { left: describeSchema(window.left), right: describeSchema(window.right) } : {};
  return { ...plain, ...sides, items: described(items), aggregate: mapValues(aggregate, aggregateManifest) };
}

function aggregateManifest(aggregate: AggregateDefinition): unknown {
  if (typeof aggregate === "string") return aggregate;
  if (isStatistics(aggregate)) return [...aggregate];
  const schema = describeSchema(aggregate.schema);
  switch (aggregate.type) {
    case "top":
      return { type: "top", n: aggregate.n, schema };
    case "distinct":
      return { type: "distinct", approximate: aggregate.approximate, schema };
    case "fold":
      return { type: "fold", merges: aggregate.merge !== undefined, schema };
    default:
      return { type: aggregate.type, schema };
  }
}

/** `Array.isArray` does not narrow read-only arrays. */
function isStatistics(aggregate: AggregateDefinition): aggregate is Extract<AggregateDefinition, readonly unknown[]> {
  return Array.isArray(aggregate);
}

function mapValues<V, W>(object: { readonly [name: string]: V }, change: (value: V) => W): { readonly [name: string]: W } {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, change(value)]));
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const held of Object.values(value)) deepFreeze(held);
  }
  return value;
}
