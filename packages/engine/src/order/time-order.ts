import { ignore } from "@reprise/processor";
import type { CompiledInput } from "../definition/compiled-processor.ts";
import { latin1 } from "../internal/latin1.ts";
import type { RecordColumns } from "../ports/log-reader.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { Row } from "../state/row.ts";
import type { TaskState } from "../state/task-state.ts";
import type { Frame } from "../task/frame.ts";
import type { TaskCounters } from "../task/task-hooks.ts";
import type { DueQueue } from "../time/due-queue.ts";
import type { TaskClock } from "../time/task-clock.ts";
import { HeldQueue, type HeldRecord } from "./held-queue.ts";
import { encodeHeld, HeldColumns, heldSubkey, parseHeldSubkey } from "./held-row.ts";
import type { RecordBatch } from "./record-batch.ts";

export const defaultMaxHeldRecords = 1_000_000;

/** What taking records in time order needs of its task. Of the functions, false: the task has failed. */
export interface TimeOrderParts {
  readonly partition: number;
  readonly inputs: readonly CompiledInput[];
  /** Of the held rows. */
  readonly slot: number;
  readonly maxHeldRecords: number;
  readonly state: TaskState;
  readonly clock: TaskClock;
  readonly queue: DueQueue;
  readonly frame: Frame;
  readonly counters: TaskCounters;
  /** Fires what is due, with the frame as it stands. */
  fire(dueMs: number, slot: number, id: string): boolean;
  /** Handles the value of an input, with the frame as it stands. */
  handle(input: number, value: unknown): boolean;
  /** What the policy does with a record that does not decode. */
  undecodable(error: unknown): boolean;
  /** More than `maxHeldRecords` were held. */
  overflowed(timeMs: number): void;
}

/**
 * `order: "event-time"`: records, timers and windows in the order of their times, as far as the watermark is. A record above it is held, as a row of
 * its key; a record that comes below it is late, and handled at once. While something is handled or fires, the clock's watermark stands at its time.
 */
export class TimeOrder {
  private readonly parts: TimeOrderParts;
  private readonly held = new HeldQueue();
  private readonly heldColumns: HeldColumns;
  /** The record at the task's position, to go back to after one that was held. */
  private columns: RecordColumns = undefined as never;
  private index = 0;
  private offset = 0;

  constructor(parts: TimeOrderParts) {
    this.parts = parts;
    this.heldColumns = new HeldColumns(parts.partition);
  }

  get heldRecords(): number {
    return this.held.size;
  }

  /** A stored row of a held record, when a task is opened. */
  restore(keyId: string, subkey: Buffer): void {
    this.held.add({ ...parseHeldSubkey(subkey), keyId });
  }

  /**
   * The next record of the log, which is what the frame is about: handles it and everything else whose time has come, or holds it.
   * @param targetMs where the watermark belongs after the record
   */
  take(batch: RecordBatch, i: number, targetMs: number): boolean {
    const { clock, frame, counters } = this.parts;
    const timeMs = batch.timeMs[i] as number;
    const input = batch.input[i] as number;
    const value = batch.value[i];
    const fault = batch.fault[i];
    this.arrived();
    if (fault !== undefined) {
      if (!this.release(targetMs)) return false;
      frame.outputTimeMs = clock.watermarkMs;
      return this.parts.undecodable(fault);
    }
    if (value === ignore) return this.release(targetMs);
    const entry = batch.entry[i] as KeyEntry;
    if (timeMs > targetMs) {
      this.hold(entry, timeMs, input);
      return this.release(targetMs) && this.releaseOverflow();
    }
    // Everything that comes before it has its turn; it itself needs no row.
    if (timeMs < clock.watermarkMs) counters.lateRecords++;
    else if (!this.release(timeMs, input, this.offset)) return false;
    frame.entry = entry;
    frame.timestampMs = timeMs;
    frame.outputTimeMs = clock.watermarkMs;
    return this.parts.handle(input, value) && this.release(targetMs);
  }

  /** Without a record: time has come to `targetMs`. */
  moveTo(targetMs: number): boolean {
    this.arrived();
    return this.release(targetMs);
  }

  private arrived(): void {
    const { frame } = this.parts;
    this.columns = frame.columns;
    this.index = frame.index;
    this.offset = frame.offset;
  }

  private hold(entry: KeyEntry, timeMs: number, input: number): void {
    const { state, slot } = this.parts;
    const row = state.unstoredRow(entry, slot, latin1(heldSubkey(timeMs, input, this.offset)));
    state.set(row, encodeHeld(this.columns, this.index));
    this.held.add({ timeMs, input, offset: this.offset, keyId: entry.id });
  }

  /**
   * Takes everything at or before `untilMs` in the order (time; timers and windows before records; input; offset), and moves the watermark there. With
   * `input` and `offset`: of the records at `untilMs` only those before this one.
   */
  private release(untilMs: number, input = Number.POSITIVE_INFINITY, offset = 0): boolean {
    const { held } = this;
    for (;;) {
      const next = held.first;
      if (next === undefined || !comesBefore(next, untilMs, input, offset)) return this.fireUntil(untilMs);
      if (!this.fireUntil(next.timeMs) || !this.handleHeld(held.take())) return false;
    }
  }

  private fireUntil(untilMs: number): boolean {
    const { queue, clock, frame } = this.parts;
    let ok = true;
    if (queue.next <= untilMs)
      queue.fireUntil(untilMs, (dueMs, slot, id) => {
        if (!ok) return;
        if (dueMs > clock.watermarkMs) clock.watermarkMs = dueMs;
        frame.outputTimeMs = clock.watermarkMs;
        ok = this.parts.fire(dueMs, slot, id);
      });
    if (ok && untilMs > clock.watermarkMs) clock.watermarkMs = untilMs;
    if (ok) clock.settledMs = clock.watermarkMs;
    return ok;
  }

  /** The watermark is at its time. The frame shows the held record while it is handled; what it causes counts as caused by the one that came. */
  private handleHeld({ keyId, timeMs, input, offset }: HeldRecord): boolean {
    const { state, slot, frame, clock, inputs } = this.parts;
    const entry = state.entry(keyId);
    state.loadNow(entry);
    const row = state.row(entry, slot, latin1(heldSubkey(timeMs, input, offset)));
    const declared = inputs[input] as CompiledInput;
    const columns = this.heldColumns;
    columns.fill(declared.topic, offset, bytesOf(row));
    state.set(row, undefined);
    frame.columns = columns;
    frame.index = 0;
    frame.offset = offset;
    frame.entry = entry;
    frame.timestampMs = timeMs;
    frame.outputTimeMs = clock.watermarkMs;
    const ok = this.handleDecoded(input, declared, columns);
    if (!ok) return false;
    frame.columns = this.columns;
    frame.index = this.index;
    frame.offset = this.offset;
    return true;
  }

  private handleDecoded(input: number, declared: CompiledInput, columns: HeldColumns): boolean {
    let value: unknown;
    try {
      value = decodeHeld(declared, columns);
    } catch (error) {
      return this.parts.undecodable(error);
    }
    return this.parts.handle(input, value);
  }

  /** The bound is in memory, not in results only: the earliest are taken before their time, and what comes below them then is late. */
  private releaseOverflow(): boolean {
    const { maxHeldRecords, counters } = this.parts;
    while (this.held.size > maxHeldRecords) {
      const before = this.held.size;
      const { timeMs } = this.held.first as HeldRecord;
      if (counters.releasedEarly === 0) this.parts.overflowed(timeMs);
      if (!this.release(timeMs)) return false;
      counters.releasedEarly += before - this.held.size;
    }
    return true;
  }
}

function comesBefore(held: HeldRecord, timeMs: number, input: number, offset: number): boolean {
  if (held.timeMs !== timeMs) return held.timeMs < timeMs;
  return held.input !== input ? held.input < input : held.offset < offset;
}

function bytesOf(row: Row): Buffer {
  if (row.value === undefined) throw new Error("a record is in the queue of those held, and has no row");
  return row.value as Buffer;
}

/** It decoded when it came; a schema that answers otherwise now is a fault of the record. */
function decodeHeld(input: CompiledInput, columns: HeldColumns): unknown {
  const start = columns.valueStarts[0] as number;
  const length = columns.valueLengths[0] as number;
  if (length < 0) return null;
  return input.events === undefined ? input.value.decode(columns.bytes, start, start + length) : input.events.decode(columns, 0);
}
