import type { Schema } from "@reprise/schema";
import { checkSyncFunction } from "../internal/check-function.ts";
import { checkSchema } from "../internal/check-schema.ts";
import type { HandleOf, handleType } from "../spec.ts";
import type { ListState, MapState, ValueState } from "../state/state-handles.ts";

/** Turns rows of an older version into rows of New. */
export interface Migration<New> {
  readonly [handleType]: New;
}

export interface MigrationDefinition {
  readonly kind: "migration";
  /** As the older version declared it. */
  readonly from: Schema<unknown>;
  readonly change: (old: unknown) => unknown;
}

// oxlint-disable typescript/no-explicit-any -- positions that nothing is inferred from
/** What a state's rows hold. */
export type StoredIn<S> =
  HandleOf<S> extends ValueState<infer T, any>
    ? T
    : HandleOf<S> extends MapState<any, infer V>
      ? V
      : HandleOf<S> extends ListState<infer V>
        ? V
        : never;
// oxlint-enable typescript/no-explicit-any

/**
 * For starts from an older version's checkpoint. `change` must be pure.
 * @throws RepriseError SCHEMA_INVALID, ASYNC_HANDLER
 */
export function migrate<Old, New>(from: Schema<Old>, change: (old: Old) => New): Migration<New> {
  checkSchema(from, "migrate");
  checkSyncFunction(change, "migrate: change");
  const definition: MigrationDefinition = { kind: "migration", from: from as Schema<unknown>, change: change as (old: unknown) => unknown };
  return Object.freeze(definition) as unknown as Migration<New>;
}
