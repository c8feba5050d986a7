/** Carries types for the compiler only. */
export declare const handleType: unique symbol;

/** What `view` makes readable from outside (HTTP, `connect`): true = by key; index = also by these fields. */
export type ViewOption<T> = true | { readonly index: readonly (keyof T & string)[] };

/** A view's description, from which the client's type is made. */
export interface ViewKind<F> {
  readonly make: F;
}

export type ValueViewOf<T, O> = [O] extends [never]
  ? never
  : [O] extends [true]
    ? ViewKind<{ kind: "value"; value: T }>
    : [O] extends [{ index: readonly (infer F)[] }]
      ? ViewKind<{ kind: "index"; value: T; fields: F }>
      : never;

/** A declared state or window: H is what handlers get, V what clients get. */
export interface Spec<H, V> {
  readonly kind: "state" | "window";
  readonly [handleType]: { readonly handle: H; readonly view: V };
}

// oxlint-disable-next-line typescript/no-explicit-any -- a position that nothing is inferred from
export type HandleOf<S> = S extends Spec<infer H, any> ? H : never;

/** As a constraint: no type parameter may be inferred from it. */
export interface AnyState {
  readonly kind: "state" | "window";
}

/** As a constraint: no type parameter may be inferred from it. */
export interface AnyWindow {
  readonly kind: "window";
}
