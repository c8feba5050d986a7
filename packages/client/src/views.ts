import type { Duration, KeyOf, Range, Shape, Spec, ViewKind, WindowBounds } from "@reprise/processor";

/** One row of a view, as of a commit. */
export interface Row<V> {
  readonly value: V;
  /** The processor's version that answered. */
  readonly version: number;
  /** Opaque; hand it back as `atLeast` for read-your-writes. */
  readonly position: string;
}

export interface ReadOptions {
  /** A `position`: the answer waits until it has been reached. Not yet: in this release the answer does not wait. */
  readonly atLeast?: string;
  /** How long to wait for it. */
  readonly timeout?: Duration;
}

export interface PageOptions {
  readonly limit?: number;
  readonly cursor?: string;
}

/** All throw RepriseError: what the gateway answered (VIEW_UNKNOWN, NOT_SERVING, …), or CONTROLLER_UNREACHABLE. */
export interface ValueView<K, V> {
  get(key: K, o?: ReadOptions): Promise<Row<V> | undefined>;
}

export interface IndexView<K, V, F extends keyof V> extends ValueView<K, V> {
  /** @throws RepriseError NOT_SUPPORTED in this release */
  find(where: { readonly [N in F]?: V[N] }, o?: PageOptions): AsyncIterable<Row<V> & { readonly key: K }>;
}

export interface MapView<K, MK, V> {
  get(key: K, entry: MK, o?: ReadOptions): Promise<Row<V> | undefined>;
  entries(key: K, range?: Range<MK>): AsyncIterable<readonly [MK, V]>;
}

export interface WindowView<K, R> {
  current(key: K, o?: ReadOptions): Promise<Row<R> | undefined>;
  /** Windows that begin in [from, to), epoch ms. */
  between(key: K, from: number, to: number): AsyncIterable<Row<R> & WindowBounds>;
}

// oxlint-disable typescript/no-explicit-any -- positions that nothing is inferred from
/** The client's type of one declared state or window; never: not readable from outside. */
export type ViewOf<K, S> =
  S extends Spec<any, infer V>
    ? [V] extends [never]
      ? never
      : V extends ViewKind<infer F>
        ? F extends { kind: "index"; value: infer T; fields: infer N }
          ? IndexView<K, T, N & keyof T>
          : F extends { kind: "value"; value: infer T }
            ? ValueView<K, T>
            : F extends { kind: "map"; entry: infer E; value: infer T }
              ? MapView<K, E, T>
              : F extends { kind: "window"; value: infer T }
                ? WindowView<K, T>
                : never
        : never
    : never;
// oxlint-enable typescript/no-explicit-any

/** All views of a processor, by name. */
export type ViewsOf<D extends Shape, Both = D["state"] & D["windows"]> = {
  readonly [N in keyof Both as [ViewOf<KeyOf<D["key"]>, Both[N]>] extends [never] ? never : N]: ViewOf<KeyOf<D["key"]>, Both[N]>;
};
