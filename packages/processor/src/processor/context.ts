import type { TypeOf } from "@reprise/schema";
import type { Key, KeyOf } from "../key.ts";
import type { Counter, CounterState } from "../metrics/counter.ts";
import type { HandleOf } from "../spec.ts";
import type { TimerSpec, TimerState } from "../timers/timer.ts";
import type { Broadcast } from "../topics/broadcast.ts";
import type { Events } from "../topics/events.ts";
import type { Table } from "../topics/table.ts";
import type { Topic } from "../topics/topic.ts";
import type { Shape } from "./shape.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- a position that nothing is inferred from
type SameKey<A, B> = A extends Key<infer N, any> ? (B extends Key<N, any> ? true : false) : false;

/** What goes with an output beside its value. The timestamp defaults to the stream time at the output's cause. */
export type OutputMeta = { readonly timestamp?: number; readonly headers?: { readonly [name: string]: string } };

/** An output with the processor's own key goes to the key at hand; any other must be given. */
export type OutputOptions<K1, K2> =
  SameKey<K1, K2> extends true ? [options?: OutputMeta] : [options: OutputMeta & { readonly key: KeyOf<K2> }];

export type OutputOf<K, O> =
  O extends Topic<infer K2, infer V>
    ? { emit(value: V, ...options: OutputOptions<K, K2>): void }
    : O extends Table<infer K2, infer V>
      ? { upsert(value: V, ...options: OutputOptions<K, K2>): void; delete(...options: OutputOptions<K, K2>): void }
      : O extends Events<infer K2, infer E>
        ? { emit<N extends keyof E & string>(type: N, value: TypeOf<E[N]>, ...options: OutputOptions<K, K2>): void }
        : never;

export type TableOf<T> =
  T extends Broadcast<infer K, infer V>
    ? { get(key: KeyOf<K>): V | undefined }
    : // oxlint-disable-next-line typescript/no-explicit-any -- a position that nothing is inferred from
      T extends Table<any, infer V>
      ? { get(): V | undefined }
      : never;

/** Where a record is in the log. */
export interface RecordInfo {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
  readonly headers: { readonly [name: string]: string };
}

/** What every handler may touch. Valid until the handler returns; using it later throws CONTEXT_EXPIRED. */
export interface Context<D extends Shape> {
  readonly key: KeyOf<D["key"]>;
  /** Event time: of the record, of the window's end, of the timer. There is no other clock. */
  readonly timestamp: number;
  readonly state: { readonly [N in keyof D["state"]]: HandleOf<D["state"][N]> };
  readonly windows: { readonly [N in keyof D["windows"]]: HandleOf<D["windows"][N]> };
  readonly timers: { readonly [N in keyof D["timers"]]: D["timers"][N] extends TimerSpec<infer Id> ? TimerState<Id> : never };
  readonly tables: { readonly [N in keyof D["tables"]]: TableOf<D["tables"][N]> };
  readonly out: { readonly [N in keyof D["outputs"]]: OutputOf<D["key"], D["outputs"][N]> };
  readonly params: D["params"];
  readonly metrics: { readonly [N in keyof D["metrics"]]: D["metrics"][N] extends Counter<infer L> ? CounterState<L> : never };
  readonly log: { info(message: string, fields?: object): void; warn(message: string, fields?: object): void };
  /** Same value in every replay: derived from the record's position and a count. */
  uuid(): string;
  /** As `uuid`: in [0, 1), the same in every replay. */
  random(): number;
}

export interface RecordContext<D extends Shape> extends Context<D> {
  readonly record: RecordInfo;
  /** Undo this record's effects, send it to the dead letters with the reason. */
  reject(reason: string): never;
}
