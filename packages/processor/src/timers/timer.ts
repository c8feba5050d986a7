import type { Duration, Schema } from "@reprise/schema";
import { checkOptions } from "../internal/check-options.ts";
import { checkSchema } from "../internal/check-schema.ts";
import type { handleType } from "../spec.ts";

export interface TimerSpec<Id> {
  readonly [handleType]: Id;
}

/** What handlers get: times are epoch ms of event time. Setting it again moves it. */
export type TimerState<Id> = [Id] extends [void]
  ? { at(time: number): void; after(duration: Duration): void; cancel(): void; due(): number | undefined }
  : { at(id: Id, time: number): void; after(id: Id, duration: Duration): void; cancel(id: Id): void; due(id: Id): number | undefined };

export interface TimerDefinition {
  readonly kind: "timer";
  /** undefined: one per key. */
  readonly id: Schema<unknown> | undefined;
}

/**
 * One per key (set again = moved), or one per key and id. Event time. What it needs to know belongs in state.
 * @throws RepriseError SCHEMA_INVALID
 */
export function timer(): TimerSpec<void>;
export function timer<Id>(o: { readonly id: Schema<Id> }): TimerSpec<Id>;
export function timer<Id>(o?: { readonly id: Schema<Id> }): TimerSpec<Id> {
  if (o !== undefined) {
    checkOptions(o, ["id"], "timer");
    checkSchema(o.id, "timer: id");
  }
  const definition: TimerDefinition = { kind: "timer", id: o?.id as Schema<unknown> | undefined };
  return Object.freeze(definition) as unknown as TimerSpec<Id>;
}
