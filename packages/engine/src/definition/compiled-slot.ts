import type { SchemaRuntime } from "@reprise/schema";
import type { WindowDefinition } from "@reprise/processor";
import type { OrderedKeyCodec } from "../state/ordered-key.ts";
import type { AggregateLayout } from "../window/aggregate-layout.ts";

/** What has rows of its own in the state of a task: a declared state, window, timer or table. */
export type CompiledSlot = ValueSlot | MapSlot | ListSlot | WindowSlot | TimerSlot | TableSlot;

export interface ValueSlot {
  readonly kind: "value";
  readonly name: string;
  readonly slot: number;
  readonly schema: SchemaRuntime<unknown>;
  readonly initial: unknown;
  /** undefined: for ever. Rows of a state with a time to live hold `Stamped` values. */
  readonly ttlMs: number | undefined;
  readonly view: boolean;
}

export interface MapSlot {
  readonly kind: "map";
  readonly name: string;
  readonly slot: number;
  readonly entryKey: OrderedKeyCodec;
  readonly entryKeySchema: SchemaRuntime<unknown>;
  readonly schema: SchemaRuntime<unknown>;
  readonly ttlMs: number | undefined;
  readonly view: boolean;
}

export interface ListSlot {
  readonly kind: "list";
  readonly name: string;
  readonly slot: number;
  readonly schema: SchemaRuntime<unknown>;
  /** undefined: without end. */
  readonly max: number | undefined;
  readonly ttlMs: number | undefined;
}

export interface WindowSlot {
  readonly kind: "window";
  readonly name: string;
  readonly slot: number;
  readonly definition: WindowDefinition;
  readonly layout: AggregateLayout;
  readonly view: boolean;
  readonly items: WindowItemsSlot | undefined;
  readonly onWindow: ((result: unknown, ctx: unknown) => unknown) | undefined;
  readonly onLate: ((values: unknown, ctx: unknown) => unknown) | undefined;
}

/** With `items`: where the contributions of a window are kept, in a slot of their own behind all that is declared. */
export interface WindowItemsSlot {
  readonly slot: number;
  readonly id: SchemaRuntime<unknown>;
}

/** What a task knows of a table: its partition of one that has the processor's key, all of a broadcast one. */
export interface TableSlot {
  readonly kind: "table";
  readonly name: string;
  readonly slot: number;
  readonly key: SchemaRuntime<unknown>;
  readonly schema: SchemaRuntime<unknown>;
  /** Every task has all rows, under keys of the table's own. Otherwise the processor's key is the table's. */
  readonly broadcast: boolean;
  readonly asOf: "record" | "latest";
}

export interface TimerSlot {
  readonly kind: "timer";
  readonly name: string;
  readonly slot: number;
  readonly id: SchemaRuntime<unknown> | undefined;
  readonly onTimer: (timer: unknown, ctx: unknown) => unknown;
}
