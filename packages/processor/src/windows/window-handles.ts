import type { Input, Result } from "./aggregate.ts";

/** Epoch ms; `end` exclusive. */
export interface WindowBounds {
  readonly start: number;
  readonly end: number;
}

export interface WindowInfo<R> extends WindowBounds {
  readonly final: boolean;
  /** 1, then one more per correction. */
  readonly revision: number;
  /** What was emitted before, to retract. */
  readonly previous: R | undefined;
}

export interface WindowRead<R> {
  /** Of the window that holds the record's time (or `at`). */
  current(at?: number): R | undefined;
}

export interface WindowState<A> extends WindowRead<Result<A>> {
  add(values: Input<A>, at?: number): void;
}

/** With `items`: contributions have an id and can be replaced or withdrawn, also in windows already emitted, until end + grace. */
export interface ItemWindowState<A, Id> extends WindowRead<Result<A>> {
  /**
   * The item of this id, at the record's time (or `at`, epoch ms), in place of the one there was, wherever that lies. What is there already changes nothing.
   * Closed windows stay what they are: it is late for those that would have to change. Values are kept: plain data only.
   */
  put(id: Id, values: Input<A>, at?: number): void;
  /** Takes the item out of the open windows that have it. One that is not there is counted (`reprise_items_unknown_total`). */
  remove(id: Id): void;
}

/**
 * The two sides of a join: each call is one contribution of the key, at the record's time or `at`. Its pairs are given to `onWindow` when the handler
 * has returned.
 */
export interface JoinState<L, R> {
  left(value: L, at?: number): void;
  right(value: R, at?: number): void;
}
