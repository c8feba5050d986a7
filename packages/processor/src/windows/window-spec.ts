import type { Duration, Schema } from "@reprise/schema";
import type { Spec, ViewKind } from "../spec.ts";
import type { Aggregates, Result } from "./aggregate.ts";
import type { ItemWindowState, JoinState, WindowState } from "./window-handles.ts";

export type Emit = "final" | "end" | "change" | "none";
export type Late = "drop" | "dead-letter" | "handle";
export type Unmatched = "none" | "left" | "right" | "both";

export interface WindowSpec<A, Id, E extends Emit, L extends Late, O>
  extends Spec<
    [Id] extends [never] ? WindowState<A> : ItemWindowState<A, Id>,
    [O] extends [never] ? never : ViewKind<{ kind: "window"; value: Result<A> }>
  > {
  readonly kind: "window";
  readonly aggregate: A;
  readonly emit: E;
  readonly late: L;
}

export interface WindowOptions<A extends Aggregates, Id, E extends Emit, L extends Late, O> {
  readonly aggregate: A;
  /** Takes late records until end + grace. Default "0s". */
  readonly grace?: Duration;
  /**
   * final: once, at end + grace · end: at the end, and again for each correction · change: for each record that changed it · none: only read.
   * Never "per commit" or by the wall clock: else a replay, which commits elsewhere, has other outputs.
   */
  readonly emit?: E;
  /** With "end" and "change": at most once per key and this much EVENT time. */
  readonly throttle?: Duration;
  /** Beyond grace. Always counted. Default "drop". */
  readonly late?: L;
  /** Ids of contributions, for `put` and `remove` instead of `add`. Not for sessions yet. */
  readonly items?: Schema<Id>;
  readonly view?: O;
  /** How long closed windows stay readable. */
  readonly keep?: Duration;
}

export interface JoinSpec<L, R, U extends Unmatched> extends Spec<JoinState<L, R>, never> {
  readonly kind: "window";
  readonly emit: "change";
  readonly pair: {
    readonly left: L | ("right" extends U ? null : "both" extends U ? null : never);
    readonly right: R | ("left" extends U ? null : "both" extends U ? null : never);
  };
}
