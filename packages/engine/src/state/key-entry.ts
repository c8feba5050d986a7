import type { Row } from "./row.ts";
import type { SortedIds } from "./sorted-ids.ts";

/** Everything cached of one key: its single rows by slot, and its rows with a subkey by slot and subkey (latin1 of its bytes). */
export class KeyEntry {
  /** latin1 of the key's bytes: a string that maps and sorts as the bytes do. */
  readonly id: string;
  readonly bytes: Buffer;
  /** The decoded key, as handlers see it. */
  readonly key: unknown;
  readonly single: (Row | undefined)[] = [];
  readonly many: (Map<string, Row> | undefined)[] = [];
  /** The subkeys of `many` in order, by slot; made by the first range read. */
  sortedIds: (SortedIds | undefined)[] | undefined = undefined;
  /** The slot of the table whose key this is; undefined: a key of the processor's, with rows in all slots. */
  readonly ofSlot: number | undefined;
  /** Its single rows, windows and timers are here; map entries come one by one. */
  loaded = false;
  /** True when the store holds nothing of this key beyond what is here, so that a miss is an absence. */
  complete = false;
  /** Hash of the bytes, for the index by span. */
  readonly hash: number;
  /** The window row used last, by slot, and its start: most records of a key fall into the same window as the one before. */
  readonly recentRow: (Row | undefined)[] = [];
  readonly recentStart: number[] = [];
  /** No longer in the cache: whoever still holds it must look it up again. */
  evicted = false;
  /** Used since the cache last looked for something to evict. */
  touched = true;
  /** Of its rows, encoded. */
  cachedBytes = 0;
  /** Rows that keep this entry from being evicted: dirty, or not yet in the store. */
  pins = 0;

  constructor(id: string, bytes: Buffer, hash: number, key: unknown, ofSlot?: number) {
    this.id = id;
    this.hash = hash;
    this.bytes = bytes;
    this.key = key;
    this.ofSlot = ofSlot;
  }
}
