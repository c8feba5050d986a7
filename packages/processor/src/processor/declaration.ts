import type { Duration, Schema } from "@reprise/schema";
import type { AnyKey } from "../key.ts";
import type { Counter } from "../metrics/counter.ts";
import type { AnyState, AnyWindow } from "../spec.ts";
import type { TimerSpec } from "../timers/timer.ts";
import type { OnError, Order } from "./processor-definition.ts";
import type { Inputs, Outputs, Tables } from "./shape.ts";

// oxlint-disable typescript/no-explicit-any -- constraints that every timer and counter must meet
export type Timers = { readonly [name: string]: TimerSpec<any> };
export type Metrics = { readonly [name: string]: Counter<any> };
// oxlint-enable typescript/no-explicit-any
export type States = { readonly [name: string]: AnyState };
export type Windows = { readonly [name: string]: AnyWindow };

/** What `processor` takes: data, no code that runs. */
export interface Declaration<
  K extends AnyKey,
  I extends Inputs<K>,
  B extends Tables<K>,
  O extends Outputs,
  S extends States,
  Ws extends Windows,
  Ts extends Timers,
  P,
  M extends Metrics,
> {
  readonly name: string;
  /** A positive integer. The code of a version never changes once it was deployed. */
  readonly version: number;
  readonly key: K;
  readonly inputs: I;
  readonly tables?: B;
  readonly outputs?: O;
  readonly state?: S;
  readonly windows?: Ws;
  readonly timers?: Ts;
  /** Frozen per deployment and part of its identity: changing one is a new deployment. */
  readonly params?: Schema<P>;
  readonly metrics?: M;
  /** "log": as written, least latency. "event-time": handlers, timers and windows strictly in time order, once the watermark is past. */
  readonly order?: Order;
  /**
   * Time goes on also when no input comes: the controller writes a record per partition and this long into a topic of the processor's, which is
   * replayed, merged and cut like any other input. At least 1 s. Default: only records move time.
   */
  readonly clock?: Duration;
  readonly onError?: { readonly decode?: OnError; readonly handler?: OnError; readonly late?: "drop" | "dead-letter" };
}
