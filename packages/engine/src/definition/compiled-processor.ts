import { RepriseError, type Schema, type SchemaRuntime, schemaRuntime } from "@reprise/schema";
import type { ProcessorDefinition, TableDefinition, TopicDefinition, TumblingDefinition } from "@reprise/processor";
import type { SlotCodec } from "../state/task-state.ts";
import { decodeNumber, encodeNumber, type OrderedKeyCodec, orderedKeyCodec } from "../state/ordered-key.ts";
import { type AggregateDefinitions, type AggregateLayout, compileAggregates } from "../window/aggregate-layout.ts";
import type { Accumulator } from "../window/accumulator.ts";
import { assertSupported } from "./unsupported.ts";

export interface CompiledInput {
  readonly alias: string;
  readonly topic: string;
  readonly kind: "topic" | "table";
  readonly value: SchemaRuntime<unknown>;
  /** Event time of a value in epoch ms; undefined: the record's timestamp. */
  readonly time: ((value: unknown) => number) | undefined;
  readonly outOfOrderMs: number;
  readonly handler: (value: unknown, ctx: unknown) => unknown;
}

export interface CompiledOutput {
  readonly alias: string;
  readonly topic: string;
  readonly kind: "topic" | "table";
  readonly key: SchemaRuntime<unknown>;
  readonly value: SchemaRuntime<unknown>;
  /** Same key as the processor's: the handler need not name it. */
  readonly sameKey: boolean;
}

export type CompiledSlot =
  | {
      readonly kind: "value";
      readonly name: string;
      readonly slot: number;
      readonly schema: SchemaRuntime<unknown>;
      readonly initial: unknown;
      readonly view: boolean;
    }
  | {
      readonly kind: "map";
      readonly name: string;
      readonly slot: number;
      readonly entryKey: OrderedKeyCodec;
      readonly entryKeySchema: SchemaRuntime<unknown>;
      readonly schema: SchemaRuntime<unknown>;
      readonly view: boolean;
    }
  | {
      readonly kind: "window";
      readonly name: string;
      readonly slot: number;
      readonly sizeMs: number;
      readonly graceMs: number;
      readonly emit: "final" | "end" | "none";
      readonly late: "drop" | "dead-letter" | "handle";
      readonly layout: AggregateLayout;
      readonly view: boolean;
      readonly onWindow: ((result: unknown, ctx: unknown) => unknown) | undefined;
      readonly onLate: ((values: unknown, ctx: unknown) => unknown) | undefined;
    }
  | {
      readonly kind: "timer";
      readonly name: string;
      readonly slot: number;
      readonly id: SchemaRuntime<unknown> | undefined;
      readonly onTimer: (timer: unknown, ctx: unknown) => unknown;
    };

export type ErrorPolicy = "fail" | "skip" | "dead-letter";

/** A definition made ready to run: everything that is looked up by name is resolved once. */
export interface CompiledProcessor {
  readonly definition: ProcessorDefinition;
  readonly name: string;
  readonly version: number;
  readonly key: SchemaRuntime<unknown>;
  /** In the order of the declaration; the first is the lead input. */
  readonly inputs: readonly CompiledInput[];
  readonly outputs: readonly CompiledOutput[];
  /** Sorted by name, then kind: the order in which things fire that are due at the same time. */
  readonly slots: readonly CompiledSlot[];
  readonly slotCodecs: readonly SlotCodec[];
  /** Watermark = stream time − this. */
  readonly disorderMs: number;
  readonly params: unknown;
  readonly onDecodeError: ErrorPolicy;
  readonly onHandlerError: ErrorPolicy;
}

type AnyFunction = (...args: unknown[]) => unknown;
type HandlerGroup = { readonly [name: string]: AnyFunction } | undefined;

/**
 * @param params of the deployment; defaults are filled in
 * @throws RepriseError NOT_SUPPORTED · INVALID_DECLARATION · SCHEMA_INVALID naming the parameter
 */
export function compileProcessor(definition: ProcessorDefinition, params: unknown = {}): CompiledProcessor {
  assertSupported(definition);
  const handlers = definition.handlers as unknown as { readonly [group: string]: HandlerGroup } | undefined;
  if (handlers === undefined)
    throw new RepriseError(
      "INVALID_DECLARATION",
      `${definition.name} v${definition.version} has no handlers: export processor({...}).handle({...})`,
    );
  const slots = compileSlots(definition, handlers);
  const inputs = Object.entries(definition.inputs).map(([alias, declared]): CompiledInput => {
    const input = declared as TopicDefinition | TableDefinition;
    return {
      alias,
      topic: input.name,
      kind: input.kind,
      value: schemaRuntime(input.value),
      time: input.time as ((value: unknown) => number) | undefined,
      outOfOrderMs: input.outOfOrderMs,
      handler: handlers["on"]?.[alias] as AnyFunction,
    };
  });
  return {
    definition,
    name: definition.name,
    version: definition.version,
    key: schemaRuntime(definition.key.schema as Schema<unknown>),
    inputs,
    outputs: Object.entries(definition.outputs).map(([alias, declared]) => {
      const output = declared as TopicDefinition | TableDefinition;
      return {
        alias,
        topic: output.name,
        kind: output.kind,
        key: schemaRuntime(output.key.schema as Schema<unknown>),
        value: schemaRuntime(output.value),
        sameKey: output.key.name === definition.key.name,
      };
    }),
    slots,
    slotCodecs: slots.map(codecOf),
    disorderMs: Math.max(0, ...inputs.map((i) => i.outOfOrderMs)),
    params: compileParams(definition, params),
    onDecodeError: definition.onError.decode,
    onHandlerError: definition.onError.handler,
  };
}

function compileParams(definition: ProcessorDefinition, params: unknown): unknown {
  if (definition.params === undefined) return Object.freeze({});
  return Object.freeze(schemaRuntime(definition.params as Schema<unknown>).fromJson(JSON.stringify(params ?? {})));
}

function compileSlots(definition: ProcessorDefinition, handlers: { readonly [group: string]: HandlerGroup }): CompiledSlot[] {
  const named = [
    ...Object.keys(definition.state).map((name) => ({ name, kind: "state" as const })),
    ...Object.keys(definition.timers).map((name) => ({ name, kind: "timer" as const })),
    ...Object.keys(definition.windows).map((name) => ({ name, kind: "window" as const })),
  ].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.kind < b.kind ? -1 : 1));
  if (named.length > 200)
    throw new RepriseError("INVALID_DECLARATION", `${definition.name} declares ${named.length} states, windows and timers; at most 200`);
  return named.map(({ name, kind }, slot): CompiledSlot => {
    if (kind === "state") return compileState(definition, name, slot);
    if (kind === "window") return compileWindow(definition, name, slot, handlers);
    const id = definition.timers[name]?.id as Schema<unknown> | undefined;
    return {
      kind: "timer",
      name,
      slot,
      id: id === undefined ? undefined : schemaRuntime(id),
      onTimer: handlers["onTimer"]?.[name] as AnyFunction,
    };
  });
}

function compileState(definition: ProcessorDefinition, name: string, slot: number): CompiledSlot {
  const state = definition.state[name];
  if (state?.type === "map") {
    const key = state.key as Schema<unknown>;
    return {
      kind: "map",
      name,
      slot,
      entryKey: orderedKeyCodec(key, `state.${name}`),
      entryKeySchema: schemaRuntime(key),
      schema: schemaRuntime(state.value as Schema<unknown>),
      view: state.view !== undefined,
    };
  }
  if (state?.type !== "value") throw new RepriseError("INVALID_DECLARATION", `state.${name} of ${definition.name} is no state`);
  return {
    kind: "value",
    name,
    slot,
    schema: schemaRuntime(state.schema as Schema<unknown>),
    initial: state.initial?.value,
    view: state.view !== undefined,
  };
}

function compileWindow(
  definition: ProcessorDefinition,
  name: string,
  slot: number,
  handlers: { readonly [group: string]: HandlerGroup },
): CompiledSlot {
  const window = definition.windows[name] as TumblingDefinition;
  return {
    kind: "window",
    name,
    slot,
    sizeMs: window.sizeMs,
    graceMs: window.graceMs,
    emit: window.emit as "final" | "end" | "none",
    late: window.late,
    layout: compileAggregates(window.aggregate as AggregateDefinitions, name),
    view: window.view,
    onWindow: handlers["onWindow"]?.[name],
    onLate: handlers["onLate"]?.[name],
  };
}

function codecOf(slot: CompiledSlot): SlotCodec {
  switch (slot.kind) {
    case "value":
      return { kind: "single", encode: (v) => slot.schema.encode(v), decode: (b) => slot.schema.decode(b, 0, b.length) };
    case "map":
      return { kind: "entries", encode: (v) => slot.schema.encode(v), decode: (b) => slot.schema.decode(b, 0, b.length) };
    case "window":
      return { kind: "windows", encode: (v) => slot.layout.encode(v as Accumulator), decode: slot.layout.decode };
    case "timer":
      return { kind: slot.id === undefined ? "single" : "windows", encode: (v) => encodeNumber(v as number), decode: decodeNumber };
  }
}
