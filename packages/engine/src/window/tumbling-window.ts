import { latin1 } from "../internal/latin1.ts";
import type { TumblingDefinition } from "@reprise/processor";
import type { WindowSlot } from "../definition/compiled-slot.ts";
import type { Row } from "../state/row.ts";
import { decodeNumber, encodeNumber } from "../state/ordered-key.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { TaskState } from "../state/task-state.ts";
import type { DueQueue } from "../time/due-queue.ts";
import type { TaskClock } from "../time/task-clock.ts";
import { type Accumulator, copyOf } from "./accumulator.ts";
import type { DueWindow, KeyedWindow, StoredWindow, WindowResult, WindowValues } from "./keyed-window.ts";
import type { WindowParts } from "./make-window.ts";

/** Ids of window starts are made once and kept; far more than are open at a time is a sign of times all over the place. */
const maxCachedIds = 10_000;

/**
 * Tumbling windows of one declaration: fixed size, aligned to the epoch, half-open [start, end). An open window is a row (slot, key, start); it takes
 * values until the watermark reaches end + grace, and is removed then.
 */
export class TumblingWindow implements KeyedWindow {
  readonly slot: WindowSlot;
  private readonly definition: TumblingDefinition;
  private readonly state: TaskState;
  private readonly queue: DueQueue;
  private readonly clock: TaskClock;
  private readonly ids = new Map<number, string>();

  constructor(slot: WindowSlot, definition: TumblingDefinition, parts: WindowParts) {
    this.slot = slot;
    this.definition = definition;
    this.state = parts.state;
    this.queue = parts.queue;
    this.clock = parts.clock;
  }

  private startOf(timeMs: number): number {
    return Math.floor(timeMs / this.definition.sizeMs) * this.definition.sizeMs;
  }

  add(entry: KeyEntry, values: WindowValues, timeMs: number, late: (start: number, end: number) => void): void {
    const { slot } = this;
    const { sizeMs, graceMs, emit } = this.definition;
    const start = this.startOf(timeMs);
    const end = start + sizeMs;
    const { watermarkMs } = this.clock;
    if (end + graceMs <= watermarkMs) {
      late(start, end);
      return;
    }
    const row = this.rowOf(entry, start);
    const before = row.value as Accumulator | undefined;
    const next = copyOf(before ?? slot.layout.empty);
    slot.layout.add(next, values);
    this.state.set(row, next);
    if (before === undefined) this.schedule(entry.id, start);
    else if (emit === "end" && end <= watermarkMs) this.queue.add(end, slot.slot * 2, entry.id);
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

  private schedule(keyId: string, start: number): void {
    const { slot } = this.slot;
    const { sizeMs, graceMs, emit } = this.definition;
    const end = start + sizeMs;
    if (emit === "end") {
      this.queue.add(end, slot * 2, keyId);
      this.queue.add(end + graceMs, slot * 2 + 1, keyId);
    } else this.queue.add(end + graceMs, slot * 2, keyId);
  }

  restore(keyId: string, subkey: Buffer, value: unknown): void {
    const start = decodeNumber(subkey);
    const { sizeMs, graceMs, emit } = this.definition;
    // An emitted window only waits for its end of grace: the entry at its end would find nothing new to emit.
    if (emit === "end" && (value as Accumulator).emitted !== undefined)
      this.queue.add(start + sizeMs + graceMs, this.slot.slot * 2 + 1, keyId);
    else this.schedule(keyId, start);
  }

  current(entry: KeyEntry, timeMs: number): WindowResult | undefined {
    const acc = this.state.rowsOf(entry, this.slot.slot).get(this.id(this.startOf(timeMs)))?.value as Accumulator | undefined;
    return acc === undefined ? undefined : this.slot.layout.result(acc);
  }

  fire(entry: KeyEntry, dueMs: number, phase: number, emit: (due: DueWindow) => boolean): boolean {
    const due = this.due(entry, dueMs, phase === 1);
    return due === undefined || emit(due);
  }

  /** What to emit; undefined when there is nothing (already emitted as it stands, or gone). Removes the window when its time is over. */
  private due(entry: KeyEntry, dueMs: number, closing: boolean): DueWindow | undefined {
    const { slot } = this;
    const { sizeMs, graceMs, emit } = this.definition;
    const atEnd = emit === "end" && !closing;
    const end = atEnd ? dueMs : dueMs - graceMs;
    const start = end - sizeMs;
    const row = this.state.rowsOf(entry, slot.slot).get(this.id(start));
    const acc = row?.value as Accumulator | undefined;
    if (row === undefined || acc === undefined) return undefined;
    if (atEnd) return this.emitAtEnd(row, acc, start, end);
    this.state.set(row, undefined);
    if (emit !== "final") return undefined;
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
      final: end + this.definition.graceMs <= this.clock.watermarkMs,
    };
  }

  *committed(key: Buffer): Generator<StoredWindow> {
    for (const { subkey, value } of this.state.committedRows(this.slot.slot, key)) {
      const start = decodeNumber(subkey);
      yield { start, end: start + this.definition.sizeMs, result: this.slot.layout.result(value as Accumulator) };
    }
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
