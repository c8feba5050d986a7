import type { MapSlot, ValueSlot } from "../definition/compiled-slot.ts";
import type { TaskState } from "../state/task-state.ts";
import type { Frame } from "./frame.ts";

/** `ctx.state.<name>` of a value state. */
export class ValueHandle {
  private readonly slot: ValueSlot;
  private readonly state: TaskState;
  private readonly frame: Frame;

  constructor(slot: ValueSlot, state: TaskState, frame: Frame) {
    this.slot = slot;
    this.state = state;
    this.frame = frame;
  }

  get(): unknown {
    const { value } = this.state.single(this.frame.live().entry, this.slot.slot);
    return value === undefined ? this.slot.initial : value;
  }

  set(value: unknown): void {
    this.slot.schema.check(value);
    const row = this.state.single(this.frame.live().entry, this.slot.slot);
    this.state.set(row, apartFrom(row.value, value, this.slot.schema));
  }

  update(change: (draft: unknown) => unknown): void {
    const row = this.state.single(this.frame.live().entry, this.slot.slot);
    const before = row.value === undefined ? this.slot.initial : row.value;
    const draft = before === undefined ? undefined : this.slot.schema.clone(before);
    const returned = change(draft);
    const next = returned === undefined ? draft : returned;
    this.slot.schema.check(next);
    this.state.set(row, next);
  }

  delete(): void {
    this.state.set(this.state.single(this.frame.live().entry, this.slot.slot), undefined);
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

  constructor(slot: MapSlot, state: TaskState, frame: Frame) {
    this.slot = slot;
    this.state = state;
    this.frame = frame;
  }

  get(key: unknown): unknown {
    return this.row(key).value;
  }

  has(key: unknown): boolean {
    return this.row(key).value !== undefined;
  }

  set(key: unknown, value: unknown): void {
    this.slot.schema.check(value);
    const row = this.row(key);
    this.state.set(row, apartFrom(row.value, value, this.slot.schema));
  }

  delete(key: unknown): void {
    this.state.set(this.row(key), undefined);
  }

  *entries(range: MapRange = {}): Generator<readonly [unknown, unknown]> {
    const { entry } = this.frame.live();
    yield* selectEntries(this.slot, this.state.currentRows(this.slot.slot, entry), range);
  }

  private row(key: unknown): { value: unknown } & Parameters<TaskState["set"]>[0] {
    return this.state.row(this.frame.live().entry, this.slot.slot, this.slot.entryKey.id(key));
  }
}

/** The rows of a map within a range, decoded; `from` inclusive, `to` exclusive. */
export function* selectEntries(
  slot: MapSlot,
  rows: Iterable<{ readonly subkey: Buffer; readonly value: unknown }>,
  range: MapRange,
): Generator<readonly [unknown, unknown]> {
  const from = range.from === undefined ? undefined : slot.entryKey.encode(range.from);
  const to = range.to === undefined ? undefined : slot.entryKey.encode(range.to);
  const prefix = range.prefix === undefined ? undefined : slot.entryKey.prefix(range.prefix);
  const all = range.reverse === true ? [...rows].reverse() : rows;
  let left = range.limit ?? Number.POSITIVE_INFINITY;
  for (const { subkey, value } of all) {
    if (left <= 0) return;
    if (from !== undefined && subkey.compare(from) < 0) continue;
    if (to !== undefined && subkey.compare(to) >= 0) continue;
    if (prefix !== undefined && !subkey.subarray(0, prefix.length).equals(prefix)) continue;
    left--;
    yield [slot.entryKey.decode(subkey), value];
  }
}
