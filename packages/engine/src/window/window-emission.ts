import type { Emit } from "@reprise/processor";
import type { WindowSlot } from "../definition/compiled-slot.ts";
import type { TaskClock } from "../time/task-clock.ts";
import { copyOf } from "./accumulator.ts";
import type { DueWindow } from "./keyed-window.ts";
import type { MutableWindowRow, WindowRow } from "./window-row.ts";

/** When windows of one declaration are emitted and closed, and what an emission leaves behind. The same for all kinds. */
export class WindowEmission {
  readonly emit: Emit;
  /** Closed windows stay readable for so long; 0: not at all. */
  readonly keepMs: number;
  readonly graceMs: number;
  private readonly throttleMs: number | undefined;
  private readonly slot: WindowSlot;
  private readonly clock: TaskClock;

  constructor(slot: WindowSlot, clock: TaskClock) {
    const { emit, keepMs, throttleMs, graceMs, type } = slot.definition;
    this.slot = slot;
    this.clock = clock;
    this.emit = emit;
    this.keepMs = keepMs ?? 0;
    // A global window is for ever, whatever times there are.
    this.graceMs = type === "global" ? Number.POSITIVE_INFINITY : graceMs;
    this.throttleMs = throttleMs;
  }

  /** It has something that was not emitted, and that is to be. */
  pending(row: WindowRow): boolean {
    if (this.emit === "none") return false;
    if (this.slot.items !== undefined) return this.itemsPending(row);
    if (this.emit === "final") return row.revision === 0;
    return row.emitted === undefined || row.emitted.count !== row.count;
  }

  /** Who had something is told that it is empty; who had nothing is not. */
  private itemsPending({ count, revision, emitted, changed }: WindowRow): boolean {
    if (this.emit === "final") return revision === 0 && count > 0;
    return changed === true && (count > 0 || (emitted !== undefined && emitted.count > 0));
  }

  /** A change is emitted when its handler has returned, not later. */
  atOnce(row: WindowRow): boolean {
    return this.emit === "change" && this.notBefore(row) <= this.clock.watermarkMs;
  }

  /**
   * The watermark at which a row needs attention next: something to emit, its end + grace, or the end of what it is kept for.
   * @param atMs up to when it has had attention
   */
  dueOf(row: WindowRow, end: number, atMs: number = this.clock.watermarkMs): number {
    const close = end + this.graceMs;
    if (this.pending(row)) {
      if (this.emit === "final") return close;
      return Math.min(close, this.emit === "end" ? Math.max(end, this.notBefore(row)) : this.notBefore(row));
    }
    return atMs < close ? close : close + this.keepMs;
  }

  private notBefore(row: WindowRow): number {
    return this.throttleMs === undefined || row.emittedAtMs === undefined ? Number.NEGATIVE_INFINITY : row.emittedAtMs + this.throttleMs;
  }

  /** The row after an emission. */
  emitted(row: WindowRow): WindowRow {
    const next: MutableWindowRow = copyOf(row);
    next.revision = row.revision + 1;
    // What a final result was needs no place of its own: nothing changes it any more.
    if (this.emit !== "final") next.emitted = this.slot.layout.settled(row);
    this.carry(row, next);
    if (this.throttleMs !== undefined) next.emittedAtMs = this.clock.watermarkMs;
    return next;
  }

  /** What stays as it is when a row is copied to be changed. */
  carry(row: WindowRow, next: MutableWindowRow): void {
    if (this.throttleMs !== undefined) next.emittedAtMs = row.emittedAtMs;
    if (row.firstMs !== undefined && row.lastMs !== undefined) {
      next.firstMs = row.firstMs;
      next.lastMs = row.lastMs;
      if (row.released === true) next.released = true;
    }
  }

  /** What the handler gets for the row as it stands. */
  due(row: WindowRow, start: number, end: number): DueWindow {
    const { layout } = this.slot;
    return {
      start,
      end,
      result: layout.result(row),
      previous: row.emitted === undefined ? undefined : layout.result(row.emitted),
      revision: row.revision + 1,
      final: end + this.graceMs <= this.clock.watermarkMs,
    };
  }
}
