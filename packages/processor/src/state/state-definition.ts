import type { Schema } from "@reprise/schema";

/** What a declared state has in common. */
interface StateDefinitionBase {
  readonly kind: "state";
  /** Event time after the last write; undefined: for ever. */
  readonly ttlMs: number | undefined;
}

export interface ValueStateDefinition extends StateDefinitionBase {
  readonly type: "value";
  readonly schema: Schema<unknown>;
  /** Boxed: the initial value may be null. Clone it before handing it out. */
  readonly initial: { readonly value: unknown } | undefined;
  /** Readable from outside; index: the fields that are indexed, often none. */
  readonly view: { readonly index: readonly string[] } | undefined;
}

export interface MapStateDefinition extends StateDefinitionBase {
  readonly type: "map";
  readonly key: Schema<unknown>;
  readonly value: Schema<unknown>;
  readonly view: { readonly index: readonly string[] } | undefined;
}

export interface ListStateDefinition extends StateDefinitionBase {
  readonly type: "list";
  readonly item: Schema<unknown>;
  readonly max: number | undefined;
  readonly view: undefined;
}

export type StateDefinition = ValueStateDefinition | MapStateDefinition | ListStateDefinition;
