/** A value that may be changed in place inside `update`. */
export type Draft<T> = T extends object ? { -readonly [K in keyof T]: Draft<T[K]> } : T;

/** Which entries, in the order of the encoded keys. `from` inclusive, `to` exclusive. */
export interface Range<K> {
  readonly from?: K;
  readonly to?: K;
  readonly prefix?: string;
  readonly reverse?: boolean;
  readonly limit?: number;
}

/** One value per key. What `get` returns is read-only and stays as it was when the state changes. */
export interface ValueState<T, R> {
  get(): R;
  /** @throws RepriseError SCHEMA_INVALID when it does not fit */
  set(value: T): void;
  /** Change the draft in place, or return a new value. */
  update(change: (draft: Draft<R>) => T | void): void;
  delete(): void;
}

/** A map per key; entries are rows of their own, so large maps are fine. */
export interface MapState<K, V> {
  get(key: K): V | undefined;
  has(key: K): boolean;
  set(key: K, value: V): void;
  delete(key: K): void;
  entries(range?: Range<K>): Iterable<readonly [K, V]>;
}

/** A list per key, in the order of `push`; with `max`, the oldest items go. */
export interface ListState<T> extends Iterable<T> {
  push(value: T): void;
  readonly length: number;
  clear(): void;
}
