import { checkOneOf, checkOptions, refuseDeclaration } from "../internal/check-options.ts";
import type { AnyKey } from "../key.ts";
import type { Table, TableDefinition } from "./table.ts";

/** A table that every task has whole. */
export interface Broadcast<K extends AnyKey, V> {
  readonly kind: "broadcast";
  readonly table: Table<K, V>;
}

export type AsOf = "record" | "latest";

export interface BroadcastDefinition {
  readonly kind: "broadcast";
  readonly table: TableDefinition;
  readonly asOf: AsOf;
}

/**
 * A table that every task has whole. Read as of the record's time (default), so that a replay sees what the live run saw.
 * @throws RepriseError INVALID_DECLARATION
 */
export function broadcast<K extends AnyKey, V>(t: Table<K, V>, o: { readonly asOf?: AsOf } = {}): Broadcast<K, V> {
  if (t?.kind !== "table") refuseDeclaration("broadcast", "expected a table");
  checkOptions(o, ["asOf"], `broadcast of ${t.name}`);
  const definition: Broadcast<K, V> & { readonly asOf: AsOf } = {
    kind: "broadcast",
    table: t,
    asOf: checkOneOf(o.asOf ?? "record", ["record", "latest"], `broadcast of ${t.name}: asOf`),
  };
  return Object.freeze(definition);
}
