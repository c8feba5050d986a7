import type { WindowSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";

export type WindowValues = { readonly [name: string]: unknown };
export type WindowResult = { readonly [name: string]: unknown };

/** What a window gives to its handler. */
export interface DueWindow {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** `ctx.timestamp` of the handler, of joins; of other windows it is the end. */
  readonly timestampMs?: number;
  readonly result: WindowResult;
  readonly previous: WindowResult | undefined;
  readonly revision: number;
  readonly final: boolean;
}

/** A window that can't be given, because an own fold of it threw. */
export interface WindowFault {
  readonly fault: unknown;
}

/** Calls the handler; of a fault, does what is done when a handler throws. False: the task has failed. */
export type EmitWindow = (due: DueWindow | WindowFault) => boolean;

/** A window as a view shows it. */
export interface StoredWindow {
  readonly start: number;
  readonly end: number;
  readonly result: WindowResult;
}

/** Which windows a view asks for: those that begin in [from, to). */
export interface WindowRange {
  readonly from: number;
  readonly to: number;
  /** The watermark of the last commit. */
  readonly watermarkMs: number;
}

/** What is emitted to the handler of a declared window, over all keys of a task. Times are epoch ms of event time. */
export interface EmittingWindow {
  readonly slot: WindowSlot;
  /** What it had put into the queue under (due, phase) for this key came up: gives what is to be emitted. False: `emit` returned false. */
  fire(entry: KeyEntry, dueMs: number, phase: number, emit: EmitWindow): boolean;
  /** Puts what is due because of a stored row into the queue again: when a task is opened. */
  restore(keyId: string, subkey: Buffer, value: unknown): void;
}

/** The windows of one declaration that aggregate: all but joins. */
export interface KeyedWindow extends EmittingWindow {
  /** Takes the values into every window of the key that holds the time and is open; calls `late` for each one that is not, by start. */
  add(entry: KeyEntry, values: WindowValues, timeMs: number, late: (start: number, end: number) => void): void;
  /** Of the window that holds the time and can be read. */
  current(entry: KeyEntry, timeMs: number): WindowResult | undefined;
  /** Emits a window that it had put into the list of changes, if it still differs from what was emitted. False: `emit` returned false. */
  emitChange(entry: KeyEntry, start: number, emit: EmitWindow): boolean;
  /** What the last commit left of a key, by start. For views. */
  committed(key: Buffer, range: WindowRange): Iterable<StoredWindow>;
  /** Of the committed windows that hold the time, the one that `current` would give. */
  committedAt(key: Buffer, timeMs: number, watermarkMs: number): StoredWindow | undefined;
}

/** With `items`: contributions are put under an id instead of added. */
export interface KeyedItemWindow extends KeyedWindow {
  /** Lets the item of this id be this one; calls `late` for each closed window that would have to change, by start. */
  put(entry: KeyEntry, id: unknown, values: WindowValues, timeMs: number, late: (start: number, end: number) => void): void;
  /** Takes the item of this id out of the open windows that have it. False: there is none. */
  withdraw(entry: KeyEntry, id: unknown): boolean;
}
