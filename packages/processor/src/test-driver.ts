import type { TypeOf } from "@reprise/schema";
import type { AnyKey, KeyOf } from "./key.ts";
import type { HandleOf } from "./spec.ts";
import type { Broadcast } from "./topics/broadcast.ts";
import type { AnyEvent, Events } from "./topics/events.ts";
import type { RekeyedFrom } from "./topics/rekey.ts";
import type { Table } from "./topics/table.ts";
import type { Topic } from "./topics/topic.ts";
import type { Shape } from "./processor/shape.ts";
import type { WindowBounds, WindowRead } from "./windows/window-handles.ts";

/** Epoch ms, or ISO 8601. */
export type Time = number | `${number}-${number}-${number}T${string}`;

/** An output as it was committed. */
export type Emitted<O> =
  O extends Topic<infer K, infer V>
    ? { readonly key: KeyOf<K>; readonly value: V; readonly timestamp: number }
    : O extends Table<infer K, infer V>
      ? { readonly key: KeyOf<K>; readonly value: V | null; readonly timestamp: number }
      : O extends Events<infer K, infer E>
        ? AnyEvent<E> & { readonly key: KeyOf<K>; readonly timestamp: number }
        : never;

/** A rekeyed input gets its records under the key of its source. */
type SentUnder<I, K extends AnyKey> = I extends RekeyedFrom<infer F> ? F : K;

/** Sends one record to an input. */
export type SenderOf<I> =
  I extends Topic<infer K, infer V>
    ? (key: KeyOf<SentUnder<I, K>>, value: V, at: Time) => void
    : I extends Table<infer K, infer V>
      ? (key: KeyOf<K>, value: V | null, at: Time) => void
      : I extends Events<infer K, infer E>
        ? { readonly [N in keyof E]: (key: KeyOf<SentUnder<I, K>>, value: TypeOf<E[N]>, at: Time) => void }
        : never;

/** Sets a row of a reference table; null deletes. Without a time it was always so. */
export type TableSetter<T> =
  T extends Broadcast<infer K, infer V>
    ? (key: KeyOf<K>, value: V | null, at?: Time) => void
    : T extends Table<infer K, infer V>
      ? (key: KeyOf<K>, value: V | null, at?: Time) => void
      : never;

/** The windows of a key, to read. Times are epoch ms. */
export type WindowsOf<H> =
  H extends WindowRead<infer R>
    ? {
        /** Of the window that holds the time; default: stream time. */
        current(at?: number): R | undefined;
        /** Of those that begin in [from, to). */
        between(from: number, to: number): readonly (WindowBounds & { readonly value: R })[];
      }
    : never;

/** Runs a processor in memory, on the real engine and a virtual clock. */
export interface TestDriver<D extends Shape> {
  readonly given: { readonly [N in keyof D["tables"]]: TableSetter<D["tables"][N]> };
  readonly when: { readonly [N in keyof D["inputs"]]: SenderOf<D["inputs"][N]> } & {
    /** Time passes, nothing comes. */
    timePasses(to: Time): void;
  };
  /** What was committed since the last call. */
  readonly then: { readonly [N in keyof D["outputs"]]: () => readonly Emitted<D["outputs"][N]>[] } & {
    deadLetters(): readonly { readonly reason: string; readonly input: string }[];
  };
  readonly stateOf: (key: KeyOf<D["key"]>) => { readonly [N in keyof D["state"]]: HandleOf<D["state"][N]> };
  /** Committed windows, as views answer them; `view: true` or not. */
  readonly windowsOf: (key: KeyOf<D["key"]>) => { readonly [N in keyof D["windows"]]: WindowsOf<HandleOf<D["windows"][N]>> };
  /** Again with other batch sizes, cache sizes and crash points: same state, same outputs. */
  checkReplay(): void;
}

/** `startFrom`: begins with the state of another driver, as a deployment from an older version's checkpoint does. */
export interface TestOptions<D extends Shape> {
  readonly params?: D["params"];
  // oxlint-disable-next-line typescript/no-explicit-any -- a driver of any other version
  readonly startFrom?: TestDriver<any>;
}
