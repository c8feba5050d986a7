import type { WindowSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { Row } from "../state/row.ts";
import type { TaskState } from "../state/task-state.ts";
import type { DueQueue } from "../time/due-queue.ts";
import type { TaskClock } from "../time/task-clock.ts";
import type { ChangeList } from "./change-list.ts";
import type { DueWindow, EmitWindow, KeyedWindow, StoredWindow, WindowRange, WindowResult, WindowValues } from "./keyed-window.ts";
import type { WindowParts } from "./make-window.ts";
import { StartIds } from "./start-ids.ts";
import { WindowEmission } from "./window-emission.ts";
import type { WindowRow } from "./window-row.ts";

/** Kinds that keep one row (slot, key, start) per window. */
export abstract class RowWindow implements KeyedWindow {
  readonly slot: WindowSlot;
  protected readonly state: TaskState;
  protected readonly queue: DueQueue;
  protected readonly clock: TaskClock;
  protected readonly changes: ChangeList;
  protected readonly emission: WindowEmission;
  protected readonly ids = new StartIds();

  constructor(slot: WindowSlot, parts: WindowParts) {
    this.slot = slot;
    this.state = parts.state;
    this.queue = parts.queue;
    this.clock = parts.clock;
    this.changes = parts.changes;
    this.emission = new WindowEmission(slot, parts.clock);
  }

  abstract add(entry: KeyEntry, values: WindowValues, timeMs: number, late: (start: number, end: number) => void): void;
  abstract current(entry: KeyEntry, timeMs: number): WindowResult | undefined;
  abstract committedAt(key: Buffer, timeMs: number, watermarkMs: number): StoredWindow | undefined;
  protected abstract endOf(start: number, row: WindowRow): number;

  emitChange(entry: KeyEntry, start: number, emit: EmitWindow): boolean {
    const row = this.state.rowsOf(entry, this.slot.slot).get(this.ids.id(start));
    const value = row?.value as WindowRow | undefined;
    if (row === undefined || value === undefined || !this.emission.pending(value)) return true;
    return emit(this.take(row, start, this.endOf(start, value), true));
  }

  /** What is emitted, after the row has become what it is afterwards. @param kept whether there is a row afterwards */
  protected take(row: Row, start: number, end: number, kept: boolean): DueWindow {
    const value = row.value as WindowRow;
    const due = this.emission.due(value, start, end);
    this.state.set(row, kept ? this.emission.emitted(value) : undefined);
    return due;
  }

  /** Fires whatever of the key is due at `dueMs`, by start; for kinds where the time alone does not say which window it is. */
  fire(entry: KeyEntry, dueMs: number, _phase: number, emit: EmitWindow): boolean {
    const { emission, ids } = this;
    for (const id of this.openIds(entry)) {
      const row = this.rows(entry).get(id);
      const value = row?.value as WindowRow | undefined;
      // The handler of the one before may have changed this one.
      if (row === undefined || value === undefined) continue;
      const start = ids.start(id);
      const end = this.endOf(start, value);
      const close = end + emission.graceMs;
      const over = dueMs >= close + emission.keepMs;
      if (emission.pending(value) && emission.dueOf(value, end) <= dueMs) {
        if (!emit(this.take(row, start, end, !over))) return false;
      } else if (over) this.state.set(row, undefined);
    }
    this.queueNext(entry, dueMs);
    return true;
  }

  /**
   * One entry in the queue at or before what is due first of the key after `dueMs` is enough: when it comes up, the next one follows. The watermark
   * may be further already; what closes on the way still comes up when it closes, whatever else was in the queue.
   */
  private queueNext(entry: KeyEntry, dueMs: number): void {
    let next = Number.POSITIVE_INFINITY;
    for (const [id, { value }] of this.rows(entry)) {
      if (value === undefined) continue;
      next = Math.min(next, this.emission.dueOf(value as WindowRow, this.endOf(this.ids.start(id), value as WindowRow), dueMs));
    }
    if (next < Number.POSITIVE_INFINITY) this.queue.add(next, this.slot.slot * 2, entry.id);
  }

  /** Sees to it that a row that was changed comes up in time. `dueBefore`: when it would have; Infinity for a new one. */
  protected attend(entry: KeyEntry, row: WindowRow, start: number, end: number, dueBefore: number): void {
    const { emission } = this;
    if (emission.atOnce(row)) {
      this.changes.add(this, entry, start);
      const close = end + emission.graceMs;
      if (close < dueBefore) this.queue.add(close, this.slot.slot * 2, entry.id);
      return;
    }
    const due = emission.dueOf(row, end);
    if (due < dueBefore) this.queue.add(due, this.slot.slot * 2, entry.id);
  }

  restore(keyId: string, subkey: Buffer, value: unknown): void {
    const row = value as WindowRow;
    const due = this.emission.dueOf(row, this.endOf(this.ids.start(subkey.toString("latin1")), row));
    if (due < Number.POSITIVE_INFINITY) this.queue.add(due, this.slot.slot * 2, keyId);
  }

  *committed(key: Buffer, { from, to }: WindowRange): Generator<StoredWindow> {
    for (const { subkey, value } of this.state.committedRows(this.slot.slot, key)) {
      const start = this.ids.start(subkey.toString("latin1"));
      if (start >= from && start < to) yield this.stored(start, value as WindowRow);
    }
  }

  protected stored(start: number, row: WindowRow): StoredWindow {
    return { start, end: this.endOf(start, row), result: this.slot.layout.result(row) };
  }

  protected rows(entry: KeyEntry): Map<string, Row> {
    return this.state.rowsOf(entry, this.slot.slot);
  }

  /** By start. */
  private openIds(entry: KeyEntry): string[] {
    const ids: string[] = [];
    for (const [id, { value }] of this.rows(entry)) if (value !== undefined) ids.push(id);
    return ids.sort();
  }
}
