import { RepriseError, type Schema, type SchemaRuntime, schemaRuntime } from "@reprise/schema";
import type {
  EventsDefinition,
  ProcessorDefinition,
  ReferenceTableDefinition,
  RekeyDefinition,
  TableDefinition,
  TopicDefinition,
} from "@reprise/processor";
import { clockTopicOf, routeTopicOf } from "../control/names.ts";
import { heldCodec } from "../order/held-row.ts";
import type { SlotCodec } from "../state/task-state.ts";
import { slotCodecsOf, compileSlots } from "./compile-slots.ts";
import type { CompiledSlot, TableSlot } from "./compiled-slot.ts";
import { EventCodec, eventHandler, ignoredTypes } from "./event-codec.ts";
import { assertSupported } from "./unsupported.ts";

export interface CompiledInput {
  readonly alias: string;
  /** What errors call its handler. */
  readonly handlerName: string;
  readonly topic: string;
  /** `clock`: its records say what time it is, and nothing else. */
  readonly kind: "topic" | "table" | "events" | "clock";
  /** Where its rows are kept, when it is one of `tables`: it is applied without a handler, and moves no time. */
  readonly table: TableSlot | undefined;
  /** Every task reads all partitions. */
  readonly broadcast: boolean;
  /** Of topics and tables. */
  readonly value: SchemaRuntime<unknown>;
  /** Of `events()`: what its records are read with. */
  readonly events: EventCodec | undefined;
  /** Types of events that have no handler. */
  readonly ignored: ReadonlySet<string> | undefined;
  /** Event time of a value (or event) in epoch ms; undefined: the record's timestamp. */
  readonly time: ((value: unknown) => number) | undefined;
  /** Infinity: only `watermark` says what is over. */
  readonly outOfOrderMs: number;
  readonly maxAheadMs: number | undefined;
  readonly watermark: ((value: unknown) => number | null) | undefined;
  readonly handler: (value: unknown, ctx: unknown) => unknown;
  /** Its records may have no key. */
  readonly keyless: boolean;
  /** Of rekeyed inputs, whose topic is an internal one: how their records get there. */
  readonly route: CompiledRoute | undefined;
}

/** The stage before a rekeyed input. */
export interface CompiledRoute {
  /** `<source>-by-<key>`. */
  readonly name: string;
  /** The source as it stands under its own key; nothing is handled there. */
  readonly source: CompiledInput;
  readonly sourceKey: SchemaRuntime<unknown>;
  /** The new key, keys or null of a value (or event). */
  readonly by: (value: unknown) => unknown;
  readonly key: SchemaRuntime<unknown>;
}

export interface CompiledOutput {
  readonly alias: string;
  readonly topic: string;
  readonly kind: "topic" | "table" | "events";
  readonly key: SchemaRuntime<unknown>;
  /** Of topics and tables. */
  readonly value: SchemaRuntime<unknown>;
  /** Of `events()`. */
  readonly events: EventCodec | undefined;
  /** Same key as the processor's: the handler need not name it. */
  readonly sameKey: boolean;
}

export type ErrorPolicy = "fail" | "skip" | "dead-letter";

/** A definition made ready to run: everything that is looked up by name is resolved once. */
export interface CompiledProcessor {
  readonly definition: ProcessorDefinition;
  readonly name: string;
  readonly version: number;
  readonly key: SchemaRuntime<unknown>;
  /** Inputs in the order of the declaration; then tables, then the clock. */
  readonly inputs: readonly CompiledInput[];
  /** Internal topic → topic that it was routed from. */
  readonly sources: ReadonlyMap<string, string>;
  readonly outputs: readonly CompiledOutput[];
  /** Sorted by name, then kind: the order in which things fire that are due at the same time. */
  readonly slots: readonly CompiledSlot[];
  /** Of `slots`; then of the items of windows; then of held records. */
  readonly slotCodecs: readonly SlotCodec[];
  /** Watermark = stream time − this. Infinity: only the inputs' watermark functions move it. */
  readonly disorderMs: number;
  /** Records are handled in time order. Those that wait for it are rows of this slot, the last one. Undefined: in the order of the log. */
  readonly heldSlot: number | undefined;
  readonly params: unknown;
  readonly onDecodeError: ErrorPolicy;
  readonly onHandlerError: ErrorPolicy;
}

const ownKey = { keyless: false, route: undefined } as const;

export type AnyFunction = (...args: unknown[]) => unknown;
export type HandlerGroup = { readonly [name: string]: AnyFunction } | undefined;

/**
 * @param params of the deployment; defaults are filled in
 * @param routeTopic the internal topic of a rekeyed input; default: as a deployment `none` has them
 * @throws RepriseError NOT_SUPPORTED · INVALID_DECLARATION · SCHEMA_INVALID naming the parameter
 */
export function compileProcessor(
  definition: ProcessorDefinition,
  params: unknown = {},
  routeTopic: (rekey: string) => string = (rekey) => routeTopicOf("none", rekey),
): CompiledProcessor {
  assertSupported(definition);
  const handlers = definition.handlers as unknown as { readonly [group: string]: HandlerGroup } | undefined;
  if (handlers === undefined)
    throw new RepriseError(
      "INVALID_DECLARATION",
      `${definition.name} v${definition.version} has no handlers: export processor({...}).handle({...})`,
    );
  const slots = compileSlots(definition, handlers);
  const key = schemaRuntime(definition.key.schema as Schema<unknown>);
  const inputs = Object.entries(definition.inputs).map(([alias, declared]) =>
    declared.kind === "rekey"
      ? compileRekeyed(alias, declared, handlers["on"]?.[alias], key, routeTopic)
      : compileInput(alias, declared, handlers["on"]?.[alias]),
  );
  const disorderMs = Math.max(0, ...inputs.map((i) => i.outOfOrderMs));
  for (const slot of slots) {
    if (slot.kind === "table") inputs.push(compileTableInput(definition.tables[slot.name] as ReferenceTableDefinition, slot));
  }
  if (definition.clockMs !== undefined) inputs.push(clockInput(clockTopicOf(definition.name, definition.clockMs)));
  const slotCodecs = slotCodecsOf(slots);
  const heldSlot = definition.order === "event-time" ? slotCodecs.length : undefined;
  return {
    definition,
    name: definition.name,
    version: definition.version,
    key,
    inputs,
    sources: new Map(inputs.flatMap(({ topic, route }) => (route === undefined ? [] : [[topic, route.source.topic]]))),
    outputs: Object.entries(definition.outputs).map(([alias, declared]) => {
      const output = declared as TopicDefinition | TableDefinition | EventsDefinition;
      return {
        alias,
        topic: output.name,
        kind: output.kind,
        key: schemaRuntime(output.key.schema as Schema<unknown>),
        value: output.kind === "events" ? (undefined as never) : schemaRuntime(output.value),
        events: output.kind === "events" ? new EventCodec(output) : undefined,
        sameKey: output.key.name === definition.key.name,
      };
    }),
    slots,
    slotCodecs: heldSlot === undefined ? slotCodecs : [...slotCodecs, heldCodec],
    heldSlot,
    disorderMs,
    params: compileParams(definition, params),
    onDecodeError: definition.onError.decode,
    onHandlerError: definition.onError.handler,
  };
}

function compileInput(alias: string, input: TopicDefinition | TableDefinition | EventsDefinition, handler: unknown): CompiledInput {
  const { name: topic, kind, time, outOfOrderMs, maxAheadMs, watermark } = input;
  const common = {
    alias,
    handlerName: `on.${alias}`,
    topic,
    kind,
    table: undefined,
    broadcast: false,
    time,
    outOfOrderMs,
    maxAheadMs,
    watermark,
    ...ownKey,
  };
  if (input.kind !== "events") {
    return { ...common, value: schemaRuntime(input.value), events: undefined, ignored: undefined, handler: handler as AnyFunction };
  }
  const byType = handler as Parameters<typeof eventHandler>[0];
  const ignored = ignoredTypes(byType);
  // What nobody handles is decoded only for its time.
  const events = new EventCodec(input, time === undefined && watermark === undefined ? ignored : undefined);
  return { ...common, value: undefined as never, events, ignored, handler: eventHandler(byType) };
}

/** To handlers it is its source: what its records say, and of when, is the same there and here. */
function compileRekeyed(
  alias: string,
  { name, from, by }: RekeyDefinition,
  handler: unknown,
  key: SchemaRuntime<unknown>,
  routeTopic: (rekey: string) => string,
): CompiledInput {
  const input = compileInput(alias, from, handler);
  return {
    ...input,
    topic: routeTopic(name),
    route: { name, source: { ...input, keyless: true }, sourceKey: schemaRuntime(from.key.schema as Schema<unknown>), by, key },
  };
}

function compileTableInput(reference: ReferenceTableDefinition, slot: TableSlot): CompiledInput {
  const { name: topic, time, maxAheadMs } = reference.kind === "broadcast" ? reference.table : reference;
  const { name: alias, broadcast, schema: value } = slot;
  return { ...{ alias, topic, kind: "table", table: slot, broadcast, time, maxAheadMs, value }, ...withoutHandler };
}

function clockInput(topic: string): CompiledInput {
  const shape = {
    alias: "clock",
    topic,
    kind: "clock",
    table: undefined,
    broadcast: false,
    time: undefined,
    maxAheadMs: undefined,
  } as const;
  return { ...shape, value: undefined as never, ...withoutHandler };
}

const withoutHandler = {
  handlerName: "",
  events: undefined,
  ignored: undefined,
  outOfOrderMs: 0,
  watermark: undefined,
  handler: () => undefined,
  ...ownKey,
} as const;

function compileParams(definition: ProcessorDefinition, params: unknown): unknown {
  if (definition.params === undefined) return Object.freeze({});
  return Object.freeze(schemaRuntime(definition.params as Schema<unknown>).fromJson(JSON.stringify(params ?? {})));
}
