import type { KeyEntry } from "../state/key-entry.ts";
import type { EmitWindow } from "./keyed-window.ts";
import { isSlice, RollingWindow } from "./rolling-window.ts";
import type { WindowRow } from "./window-row.ts";

/** Ends the subkey of a window that is closed and kept. */
const keptTag = "\u0002";

/**
 * Rolling windows with `keep` or `throttle`. One more kind of row: a closed window (slot, key, end, other tag) as it was. In the queue a key stands
 * under the time of each emission that is to come (phase 0: all of its windows are looked at), and under the closing of one window, from which that
 * of the next follows, or the end of what it is kept for (phase 1).
 */
export class KeptRollingWindow extends RollingWindow {
  /** The windows that closed since everything before was settled: an emission that is due at the same time looks at them first, and none closes twice. */
  private readonly closedEnds = new Set<string>();
  private closedBehindMs = Number.NaN;

  protected override scheduleSlice(keyId: string, _start: number, firstOpen: number): void {
    this.queue.add(firstOpen + this.emission.graceMs, this.slot.slot * 2 + 1, keyId);
  }

  protected override attend(entry: KeyEntry, firstOpen: number, lastEnd: number): void {
    const { emission, stepMs } = this;
    if (emission.emit !== "end" && emission.emit !== "change") return;
    const counts = this.countsOf(entry, firstOpen, lastEnd);
    for (let end = firstOpen, i = 0; end <= lastEnd; end += stepMs, i++) {
      const count = counts[i] as number;
      const after = this.outline(entry, end, count);
      if (emission.atOnce(after)) this.changes.add(this, entry, end - this.sizeMs);
      // One that had something to emit before is in the queue already.
      else if (count === 1 || !emission.pending({ ...after, count: count - 1 }))
        this.queue.add(emission.dueOf(after, end), this.slot.slot * 2, entry.id);
    }
  }

  /** What an emission of a window depends on. */
  private outline(entry: KeyEntry, end: number, count: number): WindowRow {
    const own = this.ownRow(entry, end)?.value as WindowRow | undefined;
    return { ...this.slot.layout.empty, ...own, count };
  }

  /** Contributions of the windows that end at `first` to `last`, by end. */
  private countsOf(entry: KeyEntry, first: number, last: number): number[] {
    if (this.keysWithLater.has(entry.id)) return this.countsOneByOne(entry, first, last);
    const { sizeMs, stepMs } = this;
    const rows = this.rows(entry);
    const countAt = (start: number): number => (rows.get(this.ids.id(start))?.value as WindowRow | undefined)?.count ?? 0;
    let count = 0;
    for (let start = first - sizeMs; start < first; start += stepMs) count += countAt(start);
    const counts = [count];
    for (let end = first + stepMs; end <= last; end += stepMs)
      counts.push((count += countAt(end - stepMs) - countAt(end - stepMs - sizeMs)));
    return counts;
  }

  /** In this jump of time. */
  private hasClosed(entry: KeyEntry, end: number): boolean {
    return this.closedBehindMs === this.clock.settledMs && this.closedEnds.has(nameOf(entry, end));
  }

  private countsOneByOne(entry: KeyEntry, first: number, last: number): number[] {
    const counts: number[] = [];
    for (let end = first; end <= last; end += this.stepMs) counts.push(this.merged(entry, end, undefined)?.count ?? 0);
    return counts;
  }

  override fire(entry: KeyEntry, dueMs: number, phase: number, emit: EmitWindow): boolean {
    const { graceMs, keepMs } = this.emission;
    if (phase === 1 && keepMs > 0) this.forget(entry, dueMs - graceMs - keepMs);
    // What closes now began before everything that is open, so it comes first.
    if (!this.closeOnce(entry, dueMs - graceMs, emit)) return false;
    return phase === 1 || this.emitDue(entry, dueMs, emit);
  }

  private closeOnce(entry: KeyEntry, end: number, emit: EmitWindow): boolean {
    const { graceMs } = this.emission;
    const { settledMs } = this.clock;
    if (this.sliceOf(end) !== end || end + graceMs <= settledMs) return true;
    if (this.closedBehindMs !== settledMs) {
      this.closedBehindMs = settledMs;
      this.closedEnds.clear();
    }
    if (this.hasClosed(entry, end)) return true;
    this.closedEnds.add(nameOf(entry, end));
    const ok = this.close(entry, end, emit);
    this.follow(entry, end, graceMs, 1);
    return ok;
  }

  /** Emits whatever of the key is due at `dueMs` and not closed, by end. */
  private emitDue(entry: KeyEntry, dueMs: number, emit: EmitWindow): boolean {
    const { emission, clock, sizeMs, stepMs } = this;
    const after = Math.max(dueMs, clock.settledMs) - emission.graceMs;
    const ends = new Set<number>();
    for (const [id, { value }] of this.rows(entry)) {
      if (value === undefined || !isSlice(id)) continue;
      const start = this.ids.start(id);
      for (let end = Math.max(this.countsFrom(id), this.nextMultiple(after)); end <= start + sizeMs; end += stepMs) ends.add(end);
    }
    for (const end of [...ends].sort((a, b) => a - b)) {
      // A handler may have made something due before what has closed meanwhile.
      if (this.hasClosed(entry, end)) continue;
      const [count] = this.countsOf(entry, end, end) as [number];
      const outline = this.outline(entry, end, count);
      if (count > 0 && emission.pending(outline) && emission.dueOf(outline, end) <= dueMs && !this.emitEnding(entry, end, emit))
        return false;
    }
    return true;
  }

  protected override closed(entry: KeyEntry, end: number, merged: WindowRow, emit: EmitWindow): boolean {
    const { emission, state } = this;
    const due = emission.pending(merged) ? emission.due(merged, end - this.sizeMs, end) : undefined;
    if (emission.keepMs > 0) {
      const row = state.row(entry, this.slot.slot, this.keptId(end));
      state.set(row, due === undefined ? merged : emission.emitted(merged));
      this.queue.add(end + emission.graceMs + emission.keepMs, this.slot.slot * 2 + 1, entry.id);
    }
    return due === undefined || emit(due);
  }

  private forget(entry: KeyEntry, end: number): void {
    const row = this.keptRow(entry, end);
    if (row?.value !== undefined) this.state.set(row, undefined);
  }

  override restore(keyId: string, subkey: Buffer, value: unknown): void {
    const { emission, clock, sizeMs, stepMs } = this;
    const { slot } = this.slot;
    const id = subkey.toString("latin1");
    const at = this.ids.start(id);
    if (this.isKept(id)) this.queue.add(at + emission.graceMs + emission.keepMs, slot * 2 + 1, keyId);
    else if (!isSlice(id)) {
      // Whether its slices have more than it is not known here: if not, nothing is emitted.
      const due = emission.dueOf({ ...(value as WindowRow), emitted: undefined }, at);
      if (due < Number.POSITIVE_INFINITY) this.queue.add(due, slot * 2, keyId);
    } else {
      super.restore(keyId, subkey, value);
      if (emission.emit !== "end") return;
      // What ended before was emitted, and has a row of its own.
      for (let end = Math.max(this.countsFrom(id), this.nextMultiple(clock.watermarkMs)); end <= at + sizeMs; end += stepMs)
        this.queue.add(end, slot * 2, keyId);
    }
  }

  protected override readable(entry: KeyEntry, end: number): WindowRow | undefined {
    return (this.keptRow(entry, end)?.value as WindowRow | undefined) ?? super.readable(entry, end);
  }

  protected override isKept(id: string): boolean {
    return id.endsWith(keptTag) && !isSlice(id);
  }

  private keptId(end: number): string {
    return this.ids.id(end) + keptTag;
  }

  private keptRow(entry: KeyEntry, end: number): ReturnType<RollingWindow["ownRow"]> {
    return this.rows(entry).get(this.keptId(end));
  }
}

const nameOf = (entry: KeyEntry, end: number): string => `${end} ${entry.id}`;
