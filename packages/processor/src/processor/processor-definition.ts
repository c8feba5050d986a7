import { RepriseError, type Schema } from "@reprise/schema";
import { effectNameOf } from "../effect/effect.ts";
import type { AnyKey } from "../key.ts";
import type { CounterDefinition } from "../metrics/counter.ts";
import type { StateDefinition } from "../state/state-definition.ts";
import type { TimerDefinition } from "../timers/timer.ts";
import type { BroadcastDefinition } from "../topics/broadcast.ts";
import type { EventsDefinition } from "../topics/events.ts";
import type { RekeyDefinition } from "../topics/rekey.ts";
import type { TableDefinition } from "../topics/table.ts";
import type { TopicDefinition } from "../topics/topic.ts";
import type { WindowDefinition } from "../windows/window-definition.ts";
import type { ignore } from "./ignore.ts";
import type { Manifest } from "./manifest.ts";
import type { MigrationDefinition } from "./migrate.ts";

export type InputDefinition = TopicDefinition | TableDefinition | EventsDefinition | RekeyDefinition;
export type OutputDefinition = TopicDefinition | TableDefinition | EventsDefinition;
export type ReferenceTableDefinition = TableDefinition | BroadcastDefinition;

export type OnError = "fail" | "skip" | "dead-letter";
export type Order = "log" | "event-time";

export interface OnErrorDefinition {
  readonly decode: OnError;
  readonly handler: OnError;
  readonly late: "drop" | "dead-letter";
}

/** Handlers as the engine calls them; what they get and return was checked by the compiler where they were written. */
export interface HandlersDefinition {
  readonly on: { readonly [alias: string]: RecordHandler | { readonly [type: string]: RecordHandler | typeof ignore } };
  readonly onTimer: { readonly [timer: string]: (timer: { readonly id: unknown; readonly due: number }, ctx: never) => unknown };
  readonly onWindow: { readonly [window: string]: (result: never, ctx: never) => unknown };
  readonly onLate: { readonly [window: string]: (values: never, ctx: never) => unknown };
  readonly migrate: { readonly [fromVersion: string]: { readonly [name: string]: MigrationDefinition | "reset" } };
}

export type RecordHandler = (value: never, ctx: never) => unknown;

/** Everything that a declaration says, as the engine reads it: data, schemas and the functions that were given. */
export interface ProcessorDefinition {
  readonly abi: 1;
  readonly name: string;
  readonly version: number;
  readonly key: AnyKey;
  /** In the order of the declaration, which decides between equal merge times. */
  readonly inputs: { readonly [alias: string]: InputDefinition };
  readonly tables: { readonly [alias: string]: ReferenceTableDefinition };
  readonly outputs: { readonly [alias: string]: OutputDefinition };
  readonly state: { readonly [name: string]: StateDefinition };
  readonly windows: { readonly [name: string]: WindowDefinition };
  readonly timers: { readonly [name: string]: TimerDefinition };
  readonly params: Schema<unknown> | undefined;
  readonly metrics: { readonly [name: string]: CounterDefinition };
  readonly order: Order;
  /** How often the clock input ticks; undefined: there is none. */
  readonly clockMs: number | undefined;
  readonly onError: OnErrorDefinition;
  /** undefined when the processor was only declared. */
  readonly handlers: HandlersDefinition | undefined;
  readonly manifest: Manifest;
}

export const processorBrand: unique symbol = Symbol.for("reprise.processor") as never;

/** The newest ABI that this copy knows. */
export const abi = 1;

/**
 * The definition of a processor, also of one that another copy of this package made (an artifact carries its own).
 * @throws RepriseError INVALID_DECLARATION when it is none, NOT_SUPPORTED when it is an effect, ABI_UNSUPPORTED when its copy is of another ABI
 */
export function definitionOf(processor: unknown): ProcessorDefinition {
  const definition =
    typeof processor === "object" && processor !== null
      ? (processor as { readonly [processorBrand]?: ProcessorDefinition })[processorBrand]
      : undefined;
  const effect = definition === undefined ? effectNameOf(processor) : undefined;
  if (effect !== undefined)
    throw new RepriseError("NOT_SUPPORTED", `effect ${effect} can't be run by this release yet; only processors can`, {
      details: { effect },
    });
  if (definition === undefined) throw new RepriseError("INVALID_DECLARATION", "expected what processor({...}).handle({...}) returns");
  const given: number = definition.abi;
  if (given !== abi)
    throw new RepriseError(
      "ABI_UNSUPPORTED",
      `processor ${definition.name} version ${definition.version} has ABI ${given}; this release runs ABI ${abi}`,
      { details: { processor: definition.name, version: definition.version, abi: given } },
    );
  return definition;
}
