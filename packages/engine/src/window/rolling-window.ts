import type { RollingDefinition } from "@reprise/processor";
import type { WindowSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { Row } from "../state/row.ts";
import type { TaskState } from "../state/task-state.ts";
import type { DueQueue } from "../time/due-queue.ts";
import type { TaskClock } from "../time/task-clock.ts";
import { copyOf } from "./accumulator.ts";
import type { ChangeList } from "./change-list.ts";
import type { EmitWindow, KeyedWindow, StoredWindow, WindowRange, WindowResult, WindowValues, WindowFault } from "./keyed-window.ts";
import type { WindowParts } from "./make-window.ts";
import { StartIds } from "./start-ids.ts";
import { WindowEmission } from "./window-emission.ts";
import type { MutableWindowRow, WindowRow } from "./window-row.ts";

/** Ends the subkey of a window's own row; slices have none. */
const windowTag = "\u0001";
/** Between the start of a slice and the first end that it counts for. */
const laterTag = "\u0003";
export const isSlice = (id: string): boolean => id.length === 8 || id[8] === laterTag;

/**
 * Rolling windows of one declaration, kept in slices of `step`: a contribution is added to one slice, and a window [end − size, end) is the sum of
 * its slices, made when it is emitted or read. Two kinds of rows: a slice (slot, key, start), which goes when the last window that has it closes;
 * and a window (slot, key, end, tag), which holds what was emitted of it. What a timer or window adds while time jumps is late for windows that close in
 * the same jump and have not fired yet: it goes into a slice of its own (slot, key, start, tag, end), which counts for windows from that end on.
 *
 * In the queue a key stands under what comes next of it: phase 0 the next end (with `emit: "end"`) or end + grace, from which the one after
 * follows; phase 1 the closing of windows that have a row of their own, and of slices. With `keep` or `throttle`: see KeptRollingWindow.
 */
export class RollingWindow implements KeyedWindow {
  readonly slot: WindowSlot;
  protected readonly sizeMs: number;
  protected readonly stepMs: number;
  protected readonly state: TaskState;
  protected readonly queue: DueQueue;
  protected readonly clock: TaskClock;
  protected readonly changes: ChangeList;
  protected readonly emission: WindowEmission;
  protected readonly ids = new StartIds();
  /** Keys that may have slices which do not count for all of their windows. */
  protected readonly keysWithLater = new Set<string>();

  constructor(slot: WindowSlot, definition: RollingDefinition, parts: WindowParts) {
    this.slot = slot;
    this.sizeMs = definition.sizeMs;
    this.stepMs = definition.stepMs;
    this.state = parts.state;
    this.queue = parts.queue;
    this.clock = parts.clock;
    this.changes = parts.changes;
    this.emission = new WindowEmission(slot, parts.clock);
  }

  add(entry: KeyEntry, values: WindowValues, timeMs: number, late: (start: number, end: number) => void): void {
    const { sizeMs, stepMs, emission, slot } = this;
    const start = this.sliceOf(timeMs);
    const openFrom = this.nextMultiple(this.clock.watermarkMs - emission.graceMs);
    const firstEnd = start + stepMs;
    const lastEnd = start + sizeMs;
    for (let end = firstEnd; end <= lastEnd && end < openFrom; end += stepMs) late(end - sizeMs, end);
    if (lastEnd < openFrom) return;
    const row = this.state.row(entry, slot.slot, this.sliceId(entry, start, openFrom));
    const before = row.value as WindowRow | undefined;
    const next: MutableWindowRow = copyOf(before ?? slot.layout.empty);
    slot.layout.add(next, values, timeMs);
    this.state.set(row, next);
    const firstOpen = Math.max(firstEnd, openFrom);
    if (before === undefined) this.scheduleSlice(entry.id, start, firstOpen);
    this.attend(entry, firstOpen, lastEnd);
  }

  /** @param openFrom the first end of a window that is open */
  private sliceId(entry: KeyEntry, start: number, openFrom: number): string {
    const lastLate = openFrom - this.stepMs;
    const id = this.ids.id(start);
    if (lastLate < start + this.stepMs || lastLate + this.emission.graceMs <= this.clock.settledMs) return id;
    this.keysWithLater.add(entry.id);
    return `${id}${laterTag}${this.ids.id(openFrom)}`;
  }

  /** The first end that a slice counts for. */
  protected countsFrom(id: string): number {
    return id.length === 8 ? this.ids.start(id) + this.stepMs : this.ids.start(id.slice(9));
  }

  /** The smallest end above a time. */
  protected nextMultiple(timeMs: number): number {
    return timeMs === Number.NEGATIVE_INFINITY ? timeMs : Math.floor(timeMs / this.stepMs) * this.stepMs + this.stepMs;
  }

  protected sliceOf(timeMs: number): number {
    return Math.floor(timeMs / this.stepMs) * this.stepMs;
  }

  /** @param firstOpen the first end of a window that has the slice and is open */
  protected scheduleSlice(keyId: string, start: number, firstOpen: number): void {
    const { emission, clock, sizeMs, stepMs } = this;
    const { slot } = this.slot;
    if (emission.emit === "final") this.queue.add(firstOpen + emission.graceMs, slot * 2, keyId);
    else if (emission.emit === "none") this.queue.add(start + sizeMs + emission.graceMs, slot * 2 + 1, keyId);
    else if (emission.emit === "end") {
      const next = Math.max(start + stepMs, this.nextMultiple(clock.watermarkMs));
      if (next <= start + sizeMs) this.queue.add(next, slot * 2, keyId);
    }
  }

  /** Sees to it that what was changed is emitted: the windows that end at `firstOpen` to `lastEnd`. */
  protected attend(entry: KeyEntry, firstOpen: number, lastEnd: number): void {
    const { emission, stepMs } = this;
    if (emission.emit === "change")
      for (let end = firstOpen; end <= lastEnd; end += stepMs) this.changes.add(this, entry, end - this.sizeMs);
    // Windows that are over and still open are emitted again.
    if (emission.emit !== "end") return;
    for (let end = firstOpen; end <= lastEnd && end <= this.clock.watermarkMs; end += stepMs)
      this.queue.add(end, this.slot.slot * 2, entry.id);
  }

  emitChange(entry: KeyEntry, start: number, emit: EmitWindow): boolean {
    return this.emitEnding(entry, start + this.sizeMs, emit);
  }

  /** Emits a window as it stands, unless it was emitted like that. */
  protected emitEnding(entry: KeyEntry, end: number, emit: EmitWindow): boolean {
    const { emission, state } = this;
    const own = this.ownRow(entry, end);
    const before = own?.value as WindowRow | undefined;
    let merged: WindowRow | undefined;
    try {
      merged = this.merged(entry, end, before);
    } catch (fault) {
      // It closes all the same, so that its slices go.
      if (before === undefined) this.queue.add(end + emission.graceMs, this.slot.slot * 2 + 1, entry.id);
      return emit({ fault });
    }
    if (merged === undefined || !emission.pending(merged)) return true;
    const { numbers, values } = this.slot.layout.empty;
    const next: WindowRow = { ...emission.emitted(merged), numbers, values };
    const due = emission.due(merged, end - this.sizeMs, end);
    state.set(own ?? this.state.row(entry, this.slot.slot, this.ownId(end)), next);
    if (before === undefined) this.queue.add(end + emission.graceMs, this.slot.slot * 2 + 1, entry.id);
    return emit(due);
  }

  fire(entry: KeyEntry, dueMs: number, phase: number, emit: EmitWindow): boolean {
    const { emission } = this;
    const { graceMs } = emission;
    if (phase === 1) return this.close(entry, dueMs - graceMs, emit);
    if (emission.emit === "final") {
      const end = dueMs - graceMs;
      const ok = this.close(entry, end, emit);
      this.follow(entry, end, graceMs, 0);
      return ok;
    }
    if (emission.emit !== "end") return true;
    // Of one that was emitted before, the next follows already.
    if (this.ownRow(entry, dueMs)?.value === undefined) this.follow(entry, dueMs, 0, 0);
    return this.emitEnding(entry, dueMs, emit);
  }

  /** Puts the window after this one into the queue when it has anything. */
  protected follow(entry: KeyEntry, end: number, graceMs: number, phase: number): void {
    const from = end + this.stepMs - this.sizeMs;
    for (const [id, { value }] of this.rows(entry)) {
      if (value === undefined || !isSlice(id)) continue;
      const start = this.ids.start(id);
      if (start < from || start > end || this.countsFrom(id) > end + this.stepMs) continue;
      this.queue.add(end + this.stepMs + graceMs, this.slot.slot * 2 + phase, entry.id);
      return;
    }
  }

  /** Gives what is to be given when a window closes, and drops the slice that no other window has. */
  protected close(entry: KeyEntry, end: number, emit: EmitWindow): boolean {
    const own = this.ownRow(entry, end);
    let merged: WindowRow | undefined;
    let failed: WindowFault | undefined;
    try {
      merged = this.merged(entry, end, own?.value as WindowRow | undefined);
    } catch (fault) {
      failed = { fault };
    }
    for (const slice of this.slicesAt(entry, end - this.sizeMs)) if (slice.value !== undefined) this.state.set(slice, undefined);
    if (own?.value !== undefined) this.state.set(own, undefined);
    if (failed !== undefined) return emit(failed);
    return merged === undefined || this.closed(entry, end, merged, emit);
  }

  private slicesAt(entry: KeyEntry, start: number): Row[] {
    const rows = this.rows(entry);
    const id = this.ids.id(start);
    if (this.keysWithLater.has(entry.id)) return [...rows].flatMap(([one, row]) => (isSlice(one) && one.startsWith(id) ? [row] : []));
    const row = rows.get(id);
    return row === undefined ? [] : [row];
  }

  /** @param merged what it was when it closed */
  protected closed(_entry: KeyEntry, end: number, merged: WindowRow, emit: EmitWindow): boolean {
    return !this.emission.pending(merged) || emit(this.emission.due(merged, end - this.sizeMs, end));
  }

  restore(keyId: string, subkey: Buffer, _value: unknown): void {
    const { emission, clock } = this;
    const id = subkey.toString("latin1");
    const at = this.ids.start(id);
    if (isSlice(id)) {
      if (id.length > 8) this.keysWithLater.add(keyId);
      this.scheduleSlice(keyId, at, Math.max(this.countsFrom(id), this.nextMultiple(clock.watermarkMs - emission.graceMs)));
    } else this.queue.add(at + emission.graceMs, this.slot.slot * 2 + 1, keyId);
  }

  current(entry: KeyEntry, timeMs: number): WindowResult | undefined {
    const end = this.sliceOf(timeMs) + this.stepMs;
    const row = this.readable(entry, end);
    return row === undefined ? undefined : this.slot.layout.result(row);
  }

  /** A window as it stands; undefined: it has nothing, or is closed. */
  protected readable(entry: KeyEntry, end: number): WindowRow | undefined {
    return end + this.emission.graceMs <= this.clock.settledMs ? undefined : this.merged(entry, end, undefined);
  }

  committedAt(key: Buffer, timeMs: number, watermarkMs: number): StoredWindow | undefined {
    const end = this.sliceOf(timeMs) + this.stepMs;
    const [only] = this.committed(key, { from: end - this.sizeMs, to: end - this.sizeMs + 1, watermarkMs });
    return only;
  }

  *committed(key: Buffer, { from, to, watermarkMs }: WindowRange): Generator<StoredWindow> {
    const { sizeMs, stepMs, emission } = this;
    const slices: { readonly at: number; readonly from: number; readonly row: WindowRow }[] = [];
    const found = new Map<number, WindowRow | undefined>();
    for (const { subkey, value } of this.state.committedRows(this.slot.slot, key)) {
      const id = subkey.toString("latin1");
      const at = this.ids.start(id);
      if (!isSlice(id)) {
        if (this.isKept(id)) found.set(at, value as WindowRow);
        continue;
      }
      slices.push({ at, from: this.countsFrom(id), row: value as WindowRow });
      for (let end = this.countsFrom(id); end <= at + sizeMs; end += stepMs)
        if (end + emission.graceMs > watermarkMs) found.set(end, undefined);
    }
    for (const end of [...found.keys()].sort((a, b) => a - b)) {
      const start = end - sizeMs;
      if (start < from || start >= to) continue;
      const row =
        found.get(end) ??
        this.sum(slices.filter((slice) => slice.at >= start && slice.at < end && slice.from <= end).map((slice) => slice.row));
      if (row !== undefined) yield { start, end, result: this.slot.layout.result(row) };
    }
  }

  /** Whether a row is that of a window which is closed and kept. */
  protected isKept(_id: string): boolean {
    return false;
  }

  /** A window as its slices have it now, with what is known of its emissions; undefined: no slice has anything. */
  protected merged(entry: KeyEntry, end: number, own: WindowRow | undefined): WindowRow | undefined {
    const { sizeMs, stepMs, ids } = this;
    const rows = this.rows(entry);
    const slices: WindowRow[] = [];
    const take = (id: string): void => {
      const slice = rows.get(id)?.value as WindowRow | undefined;
      if (slice !== undefined) slices.push(slice);
    };
    if (rows.size >= sizeMs / stepMs && !this.keysWithLater.has(entry.id)) {
      for (let start = end - sizeMs; start < end; start += stepMs) take(ids.id(start));
    } else {
      const found: string[] = [];
      for (const id of rows.keys()) {
        const start = isSlice(id) ? ids.start(id) : end;
        if (start >= end - sizeMs && start < end && this.countsFrom(id) <= end) found.push(id);
      }
      // Ids sort by start.
      for (const id of found.sort()) take(id);
    }
    const sum = this.sum(slices);
    if (sum === undefined || own === undefined) return sum;
    sum.revision = own.revision;
    sum.emitted = own.emitted;
    if (own.emittedAtMs !== undefined) sum.emittedAtMs = own.emittedAtMs;
    return sum;
  }

  /** @param slices by start */
  private sum(slices: readonly WindowRow[]): MutableWindowRow | undefined {
    const [first] = slices;
    if (first === undefined) return undefined;
    const total: MutableWindowRow = copyOf(first);
    for (let i = 1; i < slices.length; i++) this.slot.layout.merge(total, slices[i] as WindowRow);
    return total;
  }

  protected rows(entry: KeyEntry): Map<string, Row> {
    return this.state.rowsOf(entry, this.slot.slot);
  }

  private ownId(end: number): string {
    return this.ids.id(end) + windowTag;
  }

  protected ownRow(entry: KeyEntry, end: number): Row | undefined {
    return this.rows(entry).get(this.ownId(end));
  }
}
