import { RepriseError, type Schema, schemaRuntime } from "@reprise/schema";
import type { ProcessorDefinition, WindowDefinition } from "@reprise/processor";
import { decodeNumber, encodeNumber, orderedKeyCodec } from "../state/ordered-key.ts";
import type { SlotCodec } from "../state/task-state.ts";
import { type AggregateDefinitions, compileAggregates } from "../window/aggregate-layout.ts";
import type { Accumulator } from "../window/accumulator.ts";
import type { AnyFunction, HandlerGroup } from "./compiled-processor.ts";
import type { CompiledSlot } from "./compiled-slot.ts";

/** One slot per declared state, window and timer, sorted by name: the order in which things fire that are due at the same time. */
export function compileSlots(definition: ProcessorDefinition, handlers: { readonly [group: string]: HandlerGroup }): CompiledSlot[] {
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
  const window = definition.windows[name] as WindowDefinition;
  return {
    kind: "window",
    name,
    slot,
    definition: window,
    layout: compileAggregates(window.aggregate as AggregateDefinitions, name),
    view: window.view,
    onWindow: handlers["onWindow"]?.[name],
    onLate: handlers["onLate"]?.[name],
  };
}

/** How the rows of a slot are stored. */
export function codecOf(slot: CompiledSlot): SlotCodec {
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
