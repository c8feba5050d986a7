import { RepriseError } from "@reprise/schema";
import type { CompiledProcessor } from "../definition/compiled-processor.ts";
import type { CompiledSlot, ListSlot, MapSlot, ValueSlot, WindowSlot } from "../definition/compiled-slot.ts";
import { itemSubkey } from "../state/list-rows.ts";
import { type MapRange, selectEntries, subkeyRange } from "../task/state-handles.ts";
import type { Task } from "../task/task.ts";
import type { StoredWindow } from "../window/keyed-window.ts";
import { plainJson } from "./plain-json.ts";

/** What is asked of a view, from the query string: JSON texts. */
export interface ViewQuery {
  readonly entry?: string;
  readonly entries?: string;
  readonly from?: string;
  readonly to?: string;
  readonly prefix?: string;
  readonly limit?: string;
  readonly reverse?: string;
  readonly current?: string;
}

/** `undefined`: the key has no row. `json`: the answer's part as JSON text, so that every schema writes its own. */
export type ViewResult = { readonly field: "value" | "entries" | "rows"; readonly json: string } | undefined;

type View = Extract<CompiledSlot, { view: boolean }>;

/** @throws RepriseError VIEW_UNKNOWN listing the views there are */
export function viewOf(processor: CompiledProcessor, name: string): View {
  const views = processor.slots.filter((slot): slot is View => "view" in slot && slot.view);
  const found = views.find((slot) => slot.name === name);
  if (found !== undefined) return found;
  const names = views.map((v) => v.name).join(", ");
  throw new RepriseError(
    "VIEW_UNKNOWN",
    `${processor.name} v${processor.version} has no view ${name}; ${names === "" ? "it has none" : `it has ${names}`}`,
    { details: { processor: processor.name, view: name } },
  );
}

/**
 * The bytes of a key given as text: as it is for string keys, else as JSON.
 * @throws RepriseError INVALID_ARGUMENT naming what does not fit
 */
export function keyBytesOf(processor: CompiledProcessor, text: string): Buffer {
  try {
    return processor.key.encode(processor.key.kind === "string" ? text : processor.key.fromJson(text));
  } catch (cause) {
    throw new RepriseError(
      "INVALID_ARGUMENT",
      `the key ${text} does not fit the key of ${processor.name}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}

/** Answers from what was committed. @throws RepriseError INVALID_ARGUMENT */
export function readView(task: Task, view: View, key: Buffer, query: ViewQuery): ViewResult {
  switch (view.kind) {
    case "value": {
      const value = committedValue(task, view, key);
      return value === undefined ? undefined : { field: "value", json: view.schema.toJson(value) };
    }
    case "map":
      return query.entry === undefined ? readEntries(task, view, key, query) : readEntry(task, view, key, query.entry);
    case "window":
      return readWindows(task, view, key, query);
  }
}

/** The committed entries of a map state's key within a range. */
export function committedEntries(task: Task, map: MapSlot, key: Buffer, range: MapRange): Iterable<readonly [unknown, unknown]> {
  const { slot } = map;
  const rows = task.state.committedRows(slot, key, subkeyRange(map, range));
  const alive = task.expiries[slot] === undefined ? undefined : (stored: unknown) => committedContent(task, slot, stored);
  return selectEntries(map, rows, range.limit, alive);
}

/** The committed value of a value state's key; undefined: there is none, or its time to live is over. */
export function committedValue(task: Task, { slot }: ValueSlot, key: Buffer): unknown {
  return committedContent(task, slot, task.state.committedSingle(slot, key));
}

/** The committed entry of a map state's key; undefined: there is none, or its time to live is over. */
export function committedEntry(task: Task, { slot, entryKey }: MapSlot, key: Buffer, entry: unknown): unknown {
  return committedContent(task, slot, task.state.committedEntry(slot, key, entryKey.encode(entry)));
}

/** The committed items of a list state's key, oldest first. */
export function* committedItems(task: Task, { slot }: ListSlot, key: Buffer): Generator<unknown> {
  for (const { value: stored } of task.state.committedRows(slot, key, { from: itemSubkey(0) })) {
    const value = committedContent(task, slot, stored);
    if (value !== undefined) yield value;
  }
}

/** The committed window of a key that holds a time; without one, stream time. */
export function committedWindow(task: Task, { name }: WindowSlot, key: Buffer, atMs = task.meta.streamTimeMs): StoredWindow | undefined {
  return atMs === null ? undefined : task.window(name).committedAt(key, atMs, task.committedWatermarkMs);
}

/** The committed windows of a key that begin in [from, to) and can be read. */
export function committedWindows(task: Task, { name }: WindowSlot, key: Buffer, from: number, to: number): Iterable<StoredWindow> {
  return task.window(name).committed(key, { from, to, watermarkMs: task.committedWatermarkMs });
}

function committedContent(task: Task, slot: number, stored: unknown): unknown {
  const expiry = task.expiries[slot];
  return expiry === undefined ? stored : expiry.alive(stored, task.committedStateTimeMs);
}

function readEntry(task: Task, view: MapSlot, key: Buffer, entry: string): ViewResult {
  const value = committedEntry(task, view, key, entryKeyOf(view, entry));
  return value === undefined ? undefined : { field: "value", json: view.schema.toJson(value) };
}

function readEntries(task: Task, view: MapSlot, key: Buffer, query: ViewQuery): ViewResult {
  const range: { -readonly [P in keyof MapRange]: MapRange[P] } = {};
  if (query.from !== undefined) range.from = entryKeyOf(view, query.from);
  if (query.to !== undefined) range.to = entryKeyOf(view, query.to);
  if (query.prefix !== undefined) range.prefix = query.prefix;
  if (query.reverse !== undefined) range.reverse = query.reverse !== "false";
  if (query.limit !== undefined) range.limit = numberOf(query.limit, "limit");
  const parts: string[] = [];
  for (const [k, v] of committedEntries(task, view, key, range)) parts.push(`[${view.entryKeySchema.toJson(k)},${view.schema.toJson(v)}]`);
  return { field: "entries", json: `[${parts.join(",")}]` };
}

function readWindows(task: Task, view: WindowSlot, key: Buffer, query: ViewQuery): ViewResult {
  if (query.current !== undefined) {
    const found = committedWindow(task, view, key);
    return found === undefined ? undefined : { field: "value", json: plainJson(found.result) };
  }
  const from = query.from === undefined ? Number.NEGATIVE_INFINITY : numberOf(query.from, "from");
  const to = query.to === undefined ? Number.POSITIVE_INFINITY : numberOf(query.to, "to");
  const rows: { value: unknown; start: number; end: number }[] = [];
  for (const { start, end, result } of committedWindows(task, view, key, from, to)) rows.push({ value: result, start, end });
  return { field: "rows", json: plainJson(rows) };
}

function entryKeyOf(view: MapSlot, text: string): unknown {
  try {
    return view.entryKeySchema.fromJson(text);
  } catch (cause) {
    // `?entry=JFK` is what people type; `?entry="JFK"` is JSON.
    if (view.entryKeySchema.kind === "string") return text;
    throw new RepriseError("INVALID_ARGUMENT", `the entry ${text} does not fit the entries of ${view.name}`, { cause });
  }
}

function numberOf(text: string, name: string): number {
  const n = Number(text);
  if (text.trim() === "" || Number.isNaN(n))
    throw new RepriseError("INVALID_ARGUMENT", `${name} must be a number, got ${text}`, { details: { name } });
  return n;
}
