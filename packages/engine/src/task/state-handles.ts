import type { MapSlot, ValueSlot } from "../definition/compiled-slot.ts";
import type { Row } from "../state/row.ts";
import { successor } from "../state/row-key.ts";
import type { RangeRow, SubkeyRange, TaskState } from "../state/task-state.ts";
import { joinId } from "../time/due-id.ts";
import type { Expiry } from "../time/expiry.ts";
import type { Frame } from "./frame.ts";

/** `ctx.state.<name>` of a value state. */
export class ValueHandle {
  private readonly slot: ValueSlot;
  private readonly state: TaskState;
  private readonly frame: Frame;
  private readonly expiry: Expiry | undefined;

  constructor(slot: ValueSlot, state: TaskState, frame: Frame, expiry: Expiry | undefined) {
    this.slot = slot;
    this.state = state;
    this.frame = frame;
    this.expiry = expiry;
  }

  get(): unknown {
    const value = this.valueOf(this.row());
    return value === undefined ? this.slot.initial : value;
  }

  set(value: unknown): void {
    this.slot.schema.check(value);
    const row = this.row();
    this.put(row, apartFrom(this.valueOf(row), value, this.slot.schema));
  }

  update(change: (draft: unknown) => unknown): void {
    const row = this.row();
    const stored = this.valueOf(row);
    const before = stored === undefined ? this.slot.initial : stored;
    const draft = before === undefined ? undefined : this.slot.schema.clone(before);
    const returned = change(draft);
    const next = returned === undefined ? draft : returned;
    this.slot.schema.check(next);
    this.put(row, next);
  }

  delete(): void {
    this.state.set(this.row(), undefined);
  }

  private row(): Row {
    return this.state.single(this.frame.live().entry, this.slot.slot);
  }

  private valueOf(row: Row): unknown {
    return this.expiry === undefined ? row.value : this.expiry.alive(row.value);
  }

  private put(row: Row, value: unknown): void {
    const { expiry } = this;
    if (expiry === undefined) {
      this.state.set(row, value);
      return;
    }
    const stamped = expiry.stamp(value);
    if (expiry.needsArming(row, stamped.writtenMs)) expiry.arm(row, stamped.writtenMs, row.entry.id);
    this.state.set(row, stamped);
  }
}

/** Who changes what `get` gave, against its type, and sets it again: another object, so that the change is seen and stored. */
function apartFrom(before: unknown, value: unknown, schema: { clone(value: unknown): unknown }): unknown {
  return value === before && typeof value === "object" && value !== null ? schema.clone(value) : value;
}

export interface MapRange {
  readonly from?: unknown;
  readonly to?: unknown;
  readonly prefix?: string;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** `ctx.state.<name>` of a map state. */
export class MapHandle {
  private readonly slot: MapSlot;
  private readonly state: TaskState;
  private readonly frame: Frame;
  private readonly expiry: Expiry | undefined;

  constructor(slot: MapSlot, state: TaskState, frame: Frame, expiry: Expiry | undefined) {
    this.slot = slot;
    this.state = state;
    this.frame = frame;
    this.expiry = expiry;
  }

  get(key: unknown): unknown {
    return this.valueOf(this.row(this.slot.entryKey.id(key)));
  }

  has(key: unknown): boolean {
    return this.get(key) !== undefined;
  }

  set(key: unknown, value: unknown): void {
    this.slot.schema.check(value);
    const { expiry } = this;
    const id = this.slot.entryKey.id(key);
    const row = this.row(id);
    const next = apartFrom(this.valueOf(row), value, this.slot.schema);
    if (expiry === undefined) {
      this.state.set(row, next);
      return;
    }
    const stamped = expiry.stamp(next);
    if (expiry.needsArming(row, stamped.writtenMs)) expiry.arm(row, stamped.writtenMs, joinId(row.entry.id, id));
    this.state.set(row, stamped);
  }

  delete(key: unknown): void {
    this.state.set(this.row(this.slot.entryKey.id(key)), undefined);
  }

  *entries(range: MapRange = {}): Generator<readonly [unknown, unknown]> {
    const { expiry } = this;
    const rows = this.state.currentRows(this.slot.slot, this.frame.live().entry, subkeyRange(this.slot, range));
    for (const entry of selectEntries(this.slot, rows, range.limit, expiry === undefined ? undefined : (v) => expiry.alive(v))) {
      yield entry;
      this.frame.live();
    }
  }

  private row(id: string): Row {
    return this.state.row(this.frame.live().entry, this.slot.slot, id);
  }

  private valueOf(row: Row): unknown {
    return this.expiry === undefined ? row.value : this.expiry.alive(row.value);
  }
}

/** The subkeys of a map's range: `from` inclusive, `to` exclusive, and within the prefix. */
export function subkeyRange({ entryKey }: MapSlot, range: MapRange): SubkeyRange {
  let from = range.from === undefined ? undefined : entryKey.encode(range.from);
  let to = range.to === undefined ? undefined : entryKey.encode(range.to);
  if (range.prefix !== undefined) {
    const prefix = entryKey.prefix(range.prefix);
    const end = successor(prefix);
    if (from === undefined || from.compare(prefix) < 0) from = prefix;
    if (end !== undefined && (to === undefined || to.compare(end) > 0)) to = end;
  }
  return { from, to, reverse: range.reverse === true };
}

/**
 * The entries of a map, decoded, at most `limit`; reads no further than that.
 * @param alive gives what a row's content is worth; undefined: it is the value
 */
export function* selectEntries(
  { entryKey }: MapSlot,
  rows: Iterable<RangeRow>,
  limit: number | undefined,
  alive: ((stored: unknown) => unknown) | undefined,
): Generator<readonly [unknown, unknown]> {
  let left = limit ?? Number.POSITIVE_INFINITY;
  if (left <= 0) return;
  for (const { subkey, value: stored } of rows) {
    const value = alive === undefined ? stored : alive(stored);
    if (value === undefined) continue;
    yield [entryKey.decode(subkey), value];
    if (--left <= 0) return;
  }
}
