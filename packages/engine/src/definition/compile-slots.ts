import { RepriseError, type Schema, schemaRuntime } from "@reprise/schema";
import type { ProcessorDefinition, WindowDefinition } from "@reprise/processor";
import { decodeNumber, encodeNumber, orderedKeyCodec } from "../state/ordered-key.ts";
import { decodeListRow, encodeListRow } from "../state/list-rows.ts";
import { decodeStamped, encodeStamped, type Stamped } from "../state/stamped.ts";
import type { SlotCodec } from "../state/task-state.ts";
import { decodeVersions, encodeVersions, type TableVersions } from "../table/table-versions.ts";
import { type AggregateDefinitions, compileAggregates } from "../window/aggregate-layout.ts";
import { itemCodec } from "../window/item-rows.ts";
import { joinRowCodec } from "../window/join-row.ts";
import { windowRowCodec } from "../window/window-row.ts";
import type { AnyFunction, HandlerGroup } from "./compiled-processor.ts";
import type { CompiledSlot } from "./compiled-slot.ts";
import { itemSlotsOf, slotOrder } from "./slot-order.ts";

/** One slot per declared state, window, timer and table, sorted by name: the order in which things fire that are due at the same time. */
export function compileSlots(definition: ProcessorDefinition, handlers: { readonly [group: string]: HandlerGroup }): CompiledSlot[] {
  const named = slotOrder({
    state: Object.keys(definition.state),
    tables: Object.keys(definition.tables),
    timers: Object.keys(definition.timers),
    windows: Object.keys(definition.windows),
  });
  const itemSlots = itemSlotsOf(named, (window) => definition.windows[window]?.items !== undefined);
  if (named.length + itemSlots.size > 200)
    throw new RepriseError(
      "INVALID_DECLARATION",
      `${definition.name} declares ${named.length} states, windows, timers and tables${itemSlots.size > 0 ? `, ${itemSlots.size} of them with items, which count twice` : ""}; at most 200`,
    );
  return named.map(({ name, group }, slot): CompiledSlot => {
    if (group === "state") return compileState(definition, name, slot);
    if (group === "table") return compileTable(definition, name, slot);
    if (group === "window") return compileWindow(definition, name, slot, itemSlots.get(name), handlers);
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
      ttlMs: state.ttlMs,
      view: state.view !== undefined,
    };
  }
  if (state?.type === "list") {
    return { kind: "list", name, slot, schema: schemaRuntime(state.item as Schema<unknown>), max: state.max, ttlMs: state.ttlMs };
  }
  if (state?.type !== "value") throw new RepriseError("INVALID_DECLARATION", `state.${name} of ${definition.name} is no state`);
  return {
    kind: "value",
    name,
    slot,
    schema: schemaRuntime(state.schema as Schema<unknown>),
    initial: state.initial?.value,
    ttlMs: state.ttlMs,
    view: state.view !== undefined,
  };
}

function compileTable(definition: ProcessorDefinition, name: string, slot: number): CompiledSlot {
  const reference = definition.tables[name] as ProcessorDefinition["tables"][string];
  const { table, asOf } = reference.kind === "broadcast" ? reference : { table: reference, asOf: "record" as const };
  return {
    kind: "table",
    name,
    slot,
    key: schemaRuntime(table.key.schema as Schema<unknown>),
    schema: schemaRuntime(table.value),
    broadcast: reference.kind === "broadcast",
    asOf,
  };
}

function compileWindow(
  definition: ProcessorDefinition,
  name: string,
  slot: number,
  itemSlot: number | undefined,
  handlers: { readonly [group: string]: HandlerGroup },
): CompiledSlot {
  const window = definition.windows[name] as WindowDefinition;
  return {
    kind: "window",
    name,
    slot,
    definition: window,
    // Windows with items are never put together from parts.
    layout: compileAggregates(
      window.aggregate as AggregateDefinitions,
      name,
      (window.type === "session" || window.type === "rolling") && window.items === undefined,
    ),
    view: window.view,
    items: window.items === undefined || itemSlot === undefined ? undefined : { slot: itemSlot, id: schemaRuntime(window.items) },
    onWindow: handlers["onWindow"]?.[name],
    onLate: handlers["onLate"]?.[name],
  };
}

/** How the rows of all slots are stored: of those that are declared, then of windows' items. */
export function slotCodecsOf(slots: readonly CompiledSlot[]): SlotCodec[] {
  return [...slots.map(codecOf), ...slots.flatMap((slot) => (slot.kind === "window" && slot.items !== undefined ? [itemCodec] : []))];
}

function codecOf(slot: CompiledSlot): SlotCodec {
  switch (slot.kind) {
    case "value":
    case "map": {
      const { schema } = slot;
      const kind = slot.kind === "value" ? "single" : "entries";
      return slot.ttlMs === undefined
        ? { kind, encode: (v) => schema.encode(v), decode: (b) => schema.decode(b, 0, b.length) }
        : { kind, encode: (v) => encodeStamped(schema, v as Stamped), decode: (b) => decodeStamped(schema, b) };
    }
    case "list": {
      const { schema } = slot;
      const stamped = slot.ttlMs !== undefined;
      return { kind: "entries", encode: (v) => encodeListRow(schema, v), decode: (b) => decodeListRow(schema, stamped, b) };
    }
    case "window":
      return { kind: "windows", ...(slot.definition.type === "join" ? joinRowCodec : windowRowCodec(slot.definition, slot.layout)) };
    case "table": {
      const { schema } = slot;
      return { kind: "single", encode: (v) => encodeVersions(v as TableVersions, schema), decode: (b) => decodeVersions(b, schema) };
    }
    case "timer":
      // One by one: a key may have a million of them, and a handler asks for the one it names.
      return { kind: slot.id === undefined ? "single" : "entries", encode: (v) => encodeNumber(v as number), decode: decodeNumber };
  }
}
