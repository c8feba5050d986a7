import type { Simplify } from "@reprise/schema";
import type { handleType } from "../spec.ts";

export type Statistic = "sum" | "min" | "max" | "mean" | "variance" | "stddev" | `p${number}`;

/** A way to combine contributions: In is what `add` takes, Out what the window's result has. */
export interface Aggregate<In, Out> {
  readonly [handleType]: { readonly in: In; readonly out: Out };
}

// oxlint-disable-next-line typescript/no-explicit-any -- a constraint that every aggregate must meet
export type Aggregates = { readonly [name: string]: Statistic | readonly Statistic[] | Aggregate<any, any> };

/** null: does not count, as in SQL. */
// oxlint-disable-next-line typescript/no-explicit-any -- a position that nothing is inferred from
export type InOf<A> = A extends Aggregate<infer I, any> ? I : number | null;

export type OutOf<A> =
  // oxlint-disable-next-line typescript/no-explicit-any -- a position that nothing is inferred from
  A extends Aggregate<any, infer O> ? O : A extends readonly (infer S extends string)[] ? { readonly [N in S]: number } : number;

/** What a window has found: the number of contributions, and each aggregate. */
export type Result<A> = Simplify<{ readonly count: number } & { readonly [N in keyof A]: OutOf<A[N]> }>;

/** What one contribution brings. */
export type Input<A> = Simplify<{ readonly [N in keyof A]: InOf<A[N]> }>;
