import type { WindowSlot } from "../definition/compiled-slot.ts";
import type { Row } from "../state/row.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import { copyOf } from "./accumulator.ts";
import { type AlignedDefinition, type Bounds, boundsOf } from "./bounds.ts";
import type { EmitWindow, StoredWindow, WindowResult, WindowValues } from "./keyed-window.ts";
import type { WindowParts } from "./make-window.ts";
import { RowWindow } from "./row-window.ts";
import type { MutableWindowRow, WindowRow } from "./window-row.ts";

/**
 * Tumbling, hopping, calendar and global windows of one declaration: which ones hold a time follows from the time alone. An open window is a row
 * (slot, key, start); it takes values until the watermark reaches end + grace. In the queue a key stands under end (phase 0, with `emit: "end"`)
 * and end + grace (phase 0 with "final", else 1), from which the window follows; with `throttle` it does not, and all of the key are looked at.
 */
export class AlignedWindow extends RowWindow {
  protected readonly bounds: Bounds;
  protected readonly throttled: boolean;

  constructor(slot: WindowSlot, definition: AlignedDefinition, parts: WindowParts) {
    super(slot, parts);
    this.bounds = boundsOf(definition);
    this.throttled = definition.throttleMs !== undefined;
  }

  add(entry: KeyEntry, values: WindowValues, timeMs: number, late: (start: number, end: number) => void): void {
    const { everyMs } = this.bounds;
    const last = this.bounds.lastStart(timeMs);
    if (everyMs === undefined) this.addTo(last, entry, values, timeMs, late);
    else this.addToAll(last, everyMs, entry, values, timeMs, late);
  }

  /** To all of them, or when an own fold throws at one, to none: the handler may go on. */
  private addToAll(
    last: number,
    everyMs: number,
    entry: KeyEntry,
    values: WindowValues,
    timeMs: number,
    late: (start: number, end: number) => void,
  ): void {
    const { bounds, emission, state, changes, clock } = this;
    let start = last;
    while (bounds.endOf(start - everyMs) > timeMs) start -= everyMs;
    for (; start <= last && bounds.endOf(start) + emission.graceMs <= clock.watermarkMs; start += everyMs) late(start, bounds.endOf(start));
    const savepoint = state.savepoint;
    const changesBefore = changes.size;
    try {
      for (; start <= last; start += everyMs) this.addTo(start, entry, values, timeMs, late);
    } catch (error) {
      state.undo(savepoint);
      changes.undo(changesBefore);
      throw error;
    }
  }

  private addTo(start: number, entry: KeyEntry, values: WindowValues, timeMs: number, late: (start: number, end: number) => void): void {
    const { slot, emission } = this;
    const end = this.bounds.endOf(start);
    if (end + emission.graceMs <= this.clock.watermarkMs) {
      late(start, end);
      return;
    }
    const row = this.rowOf(entry, start);
    const before = row.value as WindowRow | undefined;
    const next: MutableWindowRow = copyOf(before ?? slot.layout.empty);
    slot.layout.add(next, values, timeMs);
    if (this.throttled && before !== undefined) emission.carry(before, next);
    this.store(entry, row, before, next, start, end);
  }

  /** Lets the row be what it has become, and sees to it that it comes up in time. */
  protected store(entry: KeyEntry, row: Row, before: WindowRow | undefined, next: WindowRow, start: number, end: number): void {
    const { emission, slot } = this;
    this.state.set(row, next);
    if (this.throttled) {
      this.attend(entry, next, start, end, before === undefined ? Number.POSITIVE_INFINITY : emission.dueOf(before, end));
      return;
    }
    if (before === undefined) this.schedule(entry.id, end);
    else if (emission.emit === "end" && end <= this.clock.watermarkMs) this.queue.add(end, slot.slot * 2, entry.id);
    if (emission.emit === "change") this.changes.add(this, entry, start);
  }

  /** A row that was used last and still has a value is still the one: rows are only forgotten when they are absent. */
  protected rowOf(entry: KeyEntry, start: number): Row {
    const { slot } = this.slot;
    const recent = entry.recentRow[slot];
    if (recent !== undefined && entry.recentStart[slot] === start && recent.value !== undefined) return recent;
    const row = this.state.row(entry, slot, this.ids.id(start));
    entry.recentRow[slot] = row;
    entry.recentStart[slot] = start;
    return row;
  }

  private schedule(keyId: string, end: number): void {
    const { slot } = this.slot;
    const { emit, graceMs } = this.emission;
    if (emit === "end") this.queue.add(end, slot * 2, keyId);
    if (graceMs < Number.POSITIVE_INFINITY) this.queue.add(end + graceMs, emit === "final" ? slot * 2 : slot * 2 + 1, keyId);
  }

  override restore(keyId: string, subkey: Buffer, value: unknown): void {
    if (this.throttled) {
      super.restore(keyId, subkey, value);
      return;
    }
    const { emit, graceMs, keepMs } = this.emission;
    const row = value as WindowRow;
    const end = this.bounds.endOf(this.ids.start(subkey.toString("latin1")));
    const { slot } = this.slot;
    if (end + graceMs <= this.clock.watermarkMs) this.queue.add(end + graceMs + keepMs, slot * 2 + 1, keyId);
    // An emitted window only waits for its end of grace: the entry at its end would find nothing new to emit.
    else if (emit === "end" && row.emitted !== undefined) this.queue.add(end + graceMs, slot * 2 + 1, keyId);
    else this.schedule(keyId, end);
  }

  current(entry: KeyEntry, timeMs: number): WindowResult | undefined {
    const row = this.rows(entry).get(this.ids.id(this.bounds.lastStart(timeMs)))?.value as WindowRow | undefined;
    return row === undefined ? undefined : this.slot.layout.result(row);
  }

  override fire(entry: KeyEntry, dueMs: number, phase: number, emit: EmitWindow): boolean {
    if (this.throttled) return super.fire(entry, dueMs, phase, emit);
    const { emission } = this;
    if (phase === 0 && emission.emit === "end") {
      const start = this.bounds.startOfEnd(dueMs);
      return this.bounds.endOf(start) !== dueMs || this.emitChange(entry, start, emit);
    }
    if (phase === 1 && emission.keepMs > 0) this.remove(entry, dueMs - emission.graceMs - emission.keepMs);
    return this.close(entry, dueMs - emission.graceMs, emit);
  }

  private close(entry: KeyEntry, end: number, emit: EmitWindow): boolean {
    const { emission } = this;
    const row = this.rowEnding(entry, end);
    const value = row?.value as WindowRow | undefined;
    if (row === undefined || value === undefined) return true;
    if (emission.keepMs > 0) this.queue.add(end + emission.graceMs + emission.keepMs, this.slot.slot * 2 + 1, entry.id);
    if (emission.emit === "final" && emission.pending(value))
      return emit(this.take(row, this.bounds.startOfEnd(end), end, emission.keepMs > 0));
    if (emission.keepMs === 0) this.state.set(row, undefined);
    return true;
  }

  private remove(entry: KeyEntry, end: number): void {
    const row = this.rowEnding(entry, end);
    if (row?.value !== undefined) this.state.set(row, undefined);
  }

  protected rowEnding(entry: KeyEntry, end: number): Row | undefined {
    const start = this.bounds.startOfEnd(end);
    return this.bounds.endOf(start) === end ? this.rows(entry).get(this.ids.id(start)) : undefined;
  }

  committedAt(key: Buffer, timeMs: number): StoredWindow | undefined {
    const start = this.bounds.lastStart(timeMs);
    const value = this.state.committedEntry(this.slot.slot, key, Buffer.from(this.ids.id(start), "latin1"));
    return value === undefined ? undefined : this.stored(start, value as WindowRow);
  }

  protected endOf(start: number): number {
    return this.bounds.endOf(start);
  }
}
