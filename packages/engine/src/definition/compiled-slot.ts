import type { SchemaRuntime } from "@reprise/schema";
import type { WindowDefinition } from "@reprise/processor";
import type { OrderedKeyCodec } from "../state/ordered-key.ts";
import type { AggregateLayout } from "../window/aggregate-layout.ts";

/** What has rows of its own in the state of a task: a declared state, window or timer. */
export type CompiledSlot = ValueSlot | MapSlot | WindowSlot | TimerSlot;

export interface ValueSlot {
  readonly kind: "value";
  readonly name: string;
  readonly slot: number;
  readonly schema: SchemaRuntime<unknown>;
  readonly initial: unknown;
  readonly view: boolean;
}

export interface MapSlot {
  readonly kind: "map";
  readonly name: string;
  readonly slot: number;
  readonly entryKey: OrderedKeyCodec;
  readonly entryKeySchema: SchemaRuntime<unknown>;
  readonly schema: SchemaRuntime<unknown>;
  readonly view: boolean;
}

export interface WindowSlot {
  readonly kind: "window";
  readonly name: string;
  readonly slot: number;
  readonly definition: WindowDefinition;
  readonly layout: AggregateLayout;
  readonly view: boolean;
  readonly onWindow: ((result: unknown, ctx: unknown) => unknown) | undefined;
  readonly onLate: ((values: unknown, ctx: unknown) => unknown) | undefined;
}

export interface TimerSlot {
  readonly kind: "timer";
  readonly name: string;
  readonly slot: number;
  readonly id: SchemaRuntime<unknown> | undefined;
  readonly onTimer: (timer: unknown, ctx: unknown) => unknown;
}
