import type { WindowSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";

export type WindowValues = { readonly [name: string]: unknown };
export type WindowResult = { readonly [name: string]: unknown };

/** What a window gives to its handler. */
export interface DueWindow {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly result: WindowResult;
  readonly previous: WindowResult | undefined;
  readonly revision: number;
  readonly final: boolean;
}

/** A window as a view shows it. */
export interface StoredWindow {
  readonly start: number;
  readonly end: number;
  readonly result: WindowResult;
}

/** The windows of one declaration, over all keys of a task. Times are epoch ms of event time. */
export interface KeyedWindow {
  readonly slot: WindowSlot;
  /** Takes the values into every window of the key that holds the time and is open; calls `late` for each one that is not. */
  add(entry: KeyEntry, values: WindowValues, timeMs: number, late: (start: number, end: number) => void): void;
  /** Of the open window that holds the time. */
  current(entry: KeyEntry, timeMs: number): WindowResult | undefined;
  /** What it had put into the queue under (due, phase) for this key came up: gives what is to be emitted. False: `emit` returned false. */
  fire(entry: KeyEntry, dueMs: number, phase: number, emit: (due: DueWindow) => boolean): boolean;
  /** Puts what is due because of a stored row into the queue again: when a task is opened. */
  restore(keyId: string, subkey: Buffer, value: unknown): void;
  /** What the last commit left of a key, by start. For views. */
  committed(key: Buffer): Iterable<StoredWindow>;
}
