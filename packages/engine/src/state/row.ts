import type { KeyEntry } from "./key-entry.ts";

/**
 * One row of keyed state as decoded values. Values are never changed in place: an update makes a new one, so that undoing a record, answering a
 * query from what was committed and dropping a failed commit are assignments.
 */
export class Row {
  readonly entry: KeyEntry;
  readonly slot: number;
  /** Orders the rows of one key within a slot: a map's key, a window's start, a timer's id. */
  readonly subkey: Buffer | undefined;
  /** As handlers see it, on top of what is being committed; undefined: there is no row. */
  value: unknown = undefined;
  /** As the last commit left it. */
  committed: unknown = undefined;
  /** Changed since the last `prepare`. */
  dirty = false;
  /** Part of a commit that is not decided yet, with this value. */
  undecided = false;
  prepared: unknown = undefined;
  /** Committed, and not yet in the local store. */
  unsaved = false;
  /** The queue has an entry for it at this time, as far as is known: one that is removed and set again needs no other. */
  armedMs: number | undefined = undefined;
  /** Encoded, key and value, as it was last read or written; 0: never. */
  bytes = 0;
  /** Whether the digest counts this row, and with which hash. */
  counted = false;
  hash0 = 0;
  hash1 = 0;
  hash2 = 0;
  hash3 = 0;

  constructor(entry: KeyEntry, slot: number, subkey: Buffer | undefined) {
    this.entry = entry;
    this.slot = slot;
    this.subkey = subkey;
  }
}
