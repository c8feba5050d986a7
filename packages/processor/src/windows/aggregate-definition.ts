import type { Schema } from "@reprise/schema";
import type { Statistic } from "./aggregate.ts";

export interface FirstDefinition {
  readonly kind: "aggregate";
  readonly type: "first";
  readonly schema: Schema<unknown>;
}
export interface LastDefinition {
  readonly kind: "aggregate";
  readonly type: "last";
  readonly schema: Schema<unknown>;
}
export interface DistinctDefinition {
  readonly kind: "aggregate";
  readonly type: "distinct";
  readonly schema: Schema<unknown>;
  readonly approximate: boolean;
}
export interface TopDefinition {
  readonly kind: "aggregate";
  readonly type: "top";
  readonly n: number;
  readonly schema: Schema<unknown>;
}
export interface FoldDefinition {
  readonly kind: "aggregate";
  readonly type: "fold";
  readonly schema: Schema<unknown>;
  /** Clone it before handing it to `add`. */
  readonly initial: unknown;
  readonly add: (total: unknown, input: unknown) => unknown;
  /** Needed by sessions, which merge, and by rolling windows, whose slices are combined. */
  readonly merge: ((a: unknown, b: unknown) => unknown) | undefined;
}

export type CustomAggregateDefinition = FirstDefinition | LastDefinition | DistinctDefinition | TopDefinition | FoldDefinition;

/** One statistic, several, or an own aggregate. */
export type AggregateDefinition = Statistic | readonly Statistic[] | CustomAggregateDefinition;
