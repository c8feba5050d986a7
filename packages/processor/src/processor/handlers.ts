import type { TypeOf } from "@reprise/schema";
import type { TimerSpec } from "../timers/timer.ts";
import type { Events } from "../topics/events.ts";
import type { Table } from "../topics/table.ts";
import type { Topic } from "../topics/topic.ts";
import type { Input, Result } from "../windows/aggregate.ts";
import type { WindowBounds, WindowInfo } from "../windows/window-handles.ts";
import type { Context, RecordContext } from "./context.ts";
import type { ignore } from "./ignore.ts";
import type { Migration, StoredIn } from "./migrate.ts";
import type { Shape } from "./shape.ts";

/** `void | undefined`, not `void`: an async handler is a type error. */
export type Sync = void | undefined;

// oxlint-disable typescript/no-explicit-any -- positions that nothing is inferred from
/** The handler of one input: per record, per row (null: deleted), or one per type of event. */
export type OnInput<D extends Shape, I> =
  I extends Topic<any, infer V>
    ? (value: V, ctx: RecordContext<D>) => Sync
    : I extends Table<any, infer V>
      ? (value: V | null, ctx: RecordContext<D>) => Sync
      : I extends Events<any, infer E>
        ? { readonly [N in keyof E]: typeof ignore | ((value: TypeOf<E[N]>, ctx: RecordContext<D>) => Sync) }
        : never;
// oxlint-enable typescript/no-explicit-any

export type Emitting<Ws> = { [N in keyof Ws as Ws[N] extends { emit: "none" } ? never : N]: Ws[N] };
export type HandlingLate<Ws> = { [N in keyof Ws as Ws[N] extends { late: "handle" } ? N : never]: Ws[N] };
/** Required when something is declared that needs it, forbidden otherwise. */
export type Need<N extends string, T> = keyof T extends never ? { readonly [P in N]?: never } : { readonly [P in N]: T };
export type ResultIn<Wi> = Wi extends { aggregate: infer A } ? Result<A> : Wi extends { pair: infer P } ? P : never;

/** All handlers of a processor: complete, synchronous, and none for what is not declared. */
export type Handlers<D extends Shape> = { readonly on: { readonly [N in keyof D["inputs"]]: OnInput<D, D["inputs"][N]> } } & Need<
  "onTimer",
  {
    readonly [N in keyof D["timers"]]: (
      timer: { readonly id: D["timers"][N] extends TimerSpec<infer Id> ? Id : never; readonly due: number },
      ctx: Context<D>,
    ) => Sync;
  }
> &
  Need<
    "onWindow",
    {
      readonly [N in keyof Emitting<D["windows"]>]: (
        result: ResultIn<D["windows"][N & keyof D["windows"]]>,
        ctx: Context<D> & { readonly window: WindowInfo<ResultIn<D["windows"][N & keyof D["windows"]]>> },
      ) => Sync;
    }
  > &
  Need<
    "onLate",
    {
      readonly [N in keyof HandlingLate<D["windows"]>]: (
        values: D["windows"][N & keyof D["windows"]] extends { aggregate: infer A } ? Input<A> : never,
        ctx: RecordContext<D> & { readonly window: WindowBounds },
      ) => Sync;
    }
  > & {
    /** Only for starts from an older version's checkpoint; what is not named is carried over when the schemas allow it, else `plan` refuses. */
    readonly migrate?: {
      readonly [fromVersion: number]: { readonly [N in keyof D["state"]]?: Migration<StoredIn<D["state"][N]>> | "reset" } & {
        readonly [N in keyof D["windows"]]?: "reset";
      };
    };
  };
