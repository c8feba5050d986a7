import { latin1 } from "../internal/latin1.ts";
import type { CompiledSlot, ListSlot } from "../definition/compiled-slot.ts";
import type { StoredRow } from "../ports/state-store.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import { headId, itemId, ListHead, stampOfItem } from "../state/list-rows.ts";
import type { Row } from "../state/row.ts";
import { parseRowKey } from "../state/row-key.ts";
import { type Stamped, stampOf } from "../state/stamped.ts";
import type { TaskState } from "../state/task-state.ts";
import { joinId, splitId } from "./due-id.ts";
import type { Expiry } from "./expiry.ts";

/** What was armed as (due, slot, id) came up: removes what nobody wrote since, and arms the rest again. */
export function removeExpired(slot: CompiledSlot, expiry: Expiry, state: TaskState, dueMs: number, id: string): void {
  switch (slot.kind) {
    case "value": {
      const entry = state.entry(id);
      state.loadNow(entry);
      removeRow(state.single(entry, slot.slot), expiry, state, dueMs, id);
      break;
    }
    case "map": {
      const { key, sub } = splitId(id);
      removeRow(state.row(state.entry(key), slot.slot, sub), expiry, state, dueMs, id);
      break;
    }
    case "list":
      removeItems(slot, state.entry(id), expiry, state, dueMs);
      break;
    default:
      throw new Error(`slot ${slot.name} has no time to live`);
  }
}

function removeRow(row: Row, expiry: Expiry, state: TaskState, dueMs: number, id: string): void {
  row.armedMs = undefined;
  if (row.value === undefined) return;
  const { writtenMs } = row.value as Stamped;
  if (expiry.removalMs(writtenMs) <= dueMs) state.set(row, undefined);
  else expiry.arm(row, writtenMs, id);
}

/** The items of a list are in the order of their times: one entry for the first of them is enough. */
function removeItems({ slot }: ListSlot, entry: KeyEntry, expiry: Expiry, state: TaskState, dueMs: number): void {
  const headRow = state.row(entry, slot, headId);
  headRow.armedMs = undefined;
  const head = headRow.value as ListHead | undefined;
  if (head === undefined) return;
  for (let n = head.first; n < head.next; n++) {
    const row = state.row(entry, slot, itemId(n));
    const { writtenMs } = row.value as Stamped;
    if (expiry.removalMs(writtenMs) > dueMs) {
      if (n > head.first) state.set(headRow, new ListHead(n, head.next));
      expiry.arm(headRow, writtenMs, entry.id);
      return;
    }
    state.set(row, undefined);
  }
  state.set(headRow, undefined);
}

/** Lets the stored rows of a slot come up again, in their order: when a task is opened. Reads their times, not their values. */
export function expiryRestorer(slot: CompiledSlot, expiry: Expiry): (row: StoredRow) => void {
  let headOf: string | undefined;
  return (row) => {
    const { key, subkey } = parseRowKey(row.key);
    const id = latin1(key);
    const value = Buffer.from(row.value.buffer, row.value.byteOffset, row.value.byteLength);
    if (slot.kind === "value") expiry.armStored(stampOf(value), id);
    else if (slot.kind === "map") expiry.armStored(stampOf(value), joinId(id, latin1(subkey)));
    else if (subkey.length === 0) headOf = id;
    else if (headOf === id) {
      // The first item comes behind the head.
      expiry.armStored(stampOfItem(value), id);
      headOf = undefined;
    }
  };
}
