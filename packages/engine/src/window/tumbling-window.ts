import { latin1 } from "../internal/latin1.ts";
import type { CompiledSlot } from "../definition/compiled-processor.ts";
import type { Row } from "../state/row.ts";
import { decodeNumber, encodeNumber } from "../state/ordered-key.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { TaskState } from "../state/task-state.ts";
import type { DueQueue } from "../time/due-queue.ts";
import type { TaskClock } from "../time/task-clock.ts";
import { type Accumulator, copyOf } from "./accumulator.ts";

export type WindowSlot = Extract<CompiledSlot, { kind: "window" }>;
export type AddOutcome = { readonly kind: "added" } | { readonly kind: "late"; readonly start: number; readonly end: number };

const added: AddOutcome = { kind: "added" };
/** Ids of window starts are made once and kept; far more than are open at a time is a sign of times all over the place. */
const maxCachedIds = 10_000;

/** What a due window gives to its handler. */
export interface DueWindow {
  readonly start: number;
  readonly end: number;
  readonly result: { readonly [name: string]: unknown };
  readonly previous: { readonly [name: string]: unknown } | undefined;
  readonly revision: number;
  readonly final: boolean;
}

/**
 * Tumbling windows of one declaration: fixed size, aligned to the epoch, half-open [start, end). An open window is a row (slot, key, start); it takes
 * values until the watermark reaches end + grace, and is removed then.
 */
export class TumblingWindow {
  readonly slot: WindowSlot;
  private readonly state: TaskState;
  private readonly queue: DueQueue;
  private readonly clock: TaskClock;
  private readonly ids = new Map<number, string>();

  constructor(slot: WindowSlot, state: TaskState, queue: DueQueue, clock: TaskClock) {
    this.slot = slot;
    this.state = state;
    this.queue = queue;
    this.clock = clock;
  }

  startOf(timeMs: number): number {
    return Math.floor(timeMs / this.slot.sizeMs) * this.slot.sizeMs;
  }

  add(entry: KeyEntry, values: { readonly [name: string]: unknown }, timeMs: number): AddOutcome {
    const { slot } = this;
    const start = this.startOf(timeMs);
    const end = start + slot.sizeMs;
    const { watermarkMs } = this.clock;
    if (end + slot.graceMs <= watermarkMs) return { kind: "late", start, end };
    const row = this.rowOf(entry, start);
    const before = row.value as Accumulator | undefined;
    const next = copyOf(before ?? slot.layout.empty);
    slot.layout.add(next, values);
    this.state.set(row, next);
    if (before === undefined) this.schedule(entry.id, start);
    else if (slot.emit === "end" && end <= watermarkMs) this.queue.add(end, slot.slot * 2, entry.id);
    return added;
  }

  /** A row that was used last and still has a value is still the one: rows are only forgotten when they are absent. */
  private rowOf(entry: KeyEntry, start: number): Row {
    const { slot } = this.slot;
    const recent = entry.recentRow[slot];
    if (recent !== undefined && entry.recentStart[slot] === start && recent.value !== undefined) return recent;
    const row = this.state.row(entry, slot, this.id(start));
    entry.recentRow[slot] = row;
    entry.recentStart[slot] = start;
    return row;
  }

  /** Puts an open window into the queue: when it is made, and when a task is opened. */
  schedule(keyId: string, start: number): void {
    const { slot } = this;
    const end = start + slot.sizeMs;
    if (slot.emit === "end") {
      this.queue.add(end, slot.slot * 2, keyId);
      this.queue.add(end + slot.graceMs, slot.slot * 2 + 1, keyId);
    } else this.queue.add(end + slot.graceMs, slot.slot * 2, keyId);
  }

  /** The open window that holds a time. */
  current(entry: KeyEntry, timeMs: number): { readonly [name: string]: unknown } | undefined {
    const acc = this.state.rowsOf(entry, this.slot.slot).get(this.id(this.startOf(timeMs)))?.value as Accumulator | undefined;
    return acc === undefined ? undefined : this.slot.layout.result(acc);
  }

  /**
   * A window of `entry` is due: what to emit, or undefined when there is nothing (already emitted as it stands, or gone). Removes the window when its
   * time is over.
   */
  due(entry: KeyEntry, dueMs: number, closing: boolean): DueWindow | undefined {
    const { slot } = this;
    const end = slot.emit === "end" && !closing ? dueMs : dueMs - slot.graceMs;
    const start = end - slot.sizeMs;
    const row = this.state.rowsOf(entry, slot.slot).get(this.id(start));
    const acc = row?.value as Accumulator | undefined;
    if (row === undefined || acc === undefined) return undefined;
    if (slot.emit === "end" && !closing) return this.emitAtEnd(row, acc, start, end);
    this.state.set(row, undefined);
    if (slot.emit !== "final") return undefined;
    return { start, end, result: slot.layout.result(acc), previous: undefined, revision: 1, final: true };
  }

  private emitAtEnd(row: Row, acc: Accumulator, start: number, end: number): DueWindow | undefined {
    const { emitted } = acc;
    if (emitted !== undefined && emitted.count === acc.count) return undefined;
    const next = copyOf(acc);
    next.revision = acc.revision + 1;
    next.emitted = { ...acc, emitted: undefined };
    this.state.set(row, next);
    return {
      start,
      end,
      result: this.slot.layout.result(acc),
      previous: emitted === undefined ? undefined : this.slot.layout.result(emitted),
      revision: next.revision,
      final: end + this.slot.graceMs <= this.clock.watermarkMs,
    };
  }

  static startFromSubkey(subkey: Buffer): number {
    return decodeNumber(subkey);
  }

  private id(start: number): string {
    let id = this.ids.get(start);
    if (id === undefined) {
      if (this.ids.size >= maxCachedIds) this.ids.clear();
      id = latin1(encodeNumber(start));
      this.ids.set(start, id);
    }
    return id;
  }
}
