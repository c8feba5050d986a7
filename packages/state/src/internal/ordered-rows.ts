import type { KeyRange, StoredRow } from "@reprise/engine";
import { isEmptyRange, rangeLimit } from "./key-order.ts";

/** Rows per leaf before it is split: an insertion moves half a leaf, and a snapshot's writers copy one. */
const leafRows = 256;

/** Sorted. Leaves that a snapshot may see are never changed, but copied: `epoch` says when this one was made. */
interface Leaf {
  readonly epoch: number;
  readonly keys: string[];
  readonly rows: StoredRow[];
}

/**
 * Rows in byte order with snapshots that cost a copy of the list of leaves. Keys are compared as latin1 strings, whose order is that
 * of their bytes. Insertion is O(log n) plus the move inside one leaf.
 */
export class OrderedRows {
  #leaves: Leaf[] = [{ epoch: 0, keys: [], rows: [] }];
  #epoch = 0;
  #bytes = 0;

  get approximateSizeBytes(): number {
    return this.#bytes;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const text = keyText(key);
    const leaf = this.#leaves[leafIndex(this.#leaves, text)] as Leaf;
    const at = lowerBound(leaf.keys, text);
    return leaf.keys[at] === text ? leaf.rows[at]?.value : undefined;
  }

  /** Keeps copies: the caller may go on using its buffers. */
  put(key: Uint8Array, value: Uint8Array): void {
    const text = keyText(key);
    const index = leafIndex(this.#leaves, text);
    const leaf = this.#own(index);
    const at = lowerBound(leaf.keys, text);
    // `new Uint8Array`, because `slice` of a Buffer is a view.
    const row: StoredRow = { key: new Uint8Array(key), value: new Uint8Array(value) };
    if (leaf.keys[at] === text) {
      this.#bytes += value.length - (leaf.rows[at] as StoredRow).value.length;
      leaf.rows[at] = row;
      return;
    }
    this.#bytes += key.length + value.length;
    leaf.keys.splice(at, 0, text);
    leaf.rows.splice(at, 0, row);
    if (leaf.keys.length > leafRows) this.#split(index, leaf);
  }

  delete(key: Uint8Array): void {
    const text = keyText(key);
    const index = leafIndex(this.#leaves, text);
    const at = lowerBound((this.#leaves[index] as Leaf).keys, text);
    if ((this.#leaves[index] as Leaf).keys[at] !== text) return;
    const leaf = this.#own(index);
    const row = leaf.rows[at] as StoredRow;
    this.#bytes -= row.key.length + row.value.length;
    leaf.keys.splice(at, 1);
    leaf.rows.splice(at, 1);
    if (leaf.keys.length === 0 && this.#leaves.length > 1) this.#leaves.splice(index, 1);
  }

  /** The rows of now, in the order asked for; writes that follow are not seen, however late it is read. */
  snapshot(range: KeyRange): Iterable<StoredRow> {
    const limit = rangeLimit(range);
    if (limit === 0 || isEmptyRange(range)) return [];
    this.#epoch += 1;
    const leaves = this.#leaves;
    // Writers copy the list as well as the leaves; whoever changes it next gets its own.
    this.#leaves = leaves.slice();
    return range.reverse === true ? backwards(leaves, range, limit) : forwards(leaves, range, limit);
  }

  /** The leaf, copied when a snapshot may see it. */
  #own(index: number): Leaf {
    const leaf = this.#leaves[index] as Leaf;
    if (leaf.epoch === this.#epoch) return leaf;
    const copy: Leaf = { epoch: this.#epoch, keys: leaf.keys.slice(), rows: leaf.rows.slice() };
    this.#leaves[index] = copy;
    return copy;
  }

  #split(index: number, leaf: Leaf): void {
    const half = leaf.keys.length >> 1;
    this.#leaves.splice(index + 1, 0, { epoch: this.#epoch, keys: leaf.keys.splice(half), rows: leaf.rows.splice(half) });
  }
}

function* forwards(leaves: readonly Leaf[], range: KeyRange, limit: number): Generator<StoredRow> {
  const from = keyText(range.from ?? new Uint8Array());
  const to = range.to === undefined ? undefined : keyText(range.to);
  let left = limit;
  let index = leafIndex(leaves, from);
  let at = lowerBound((leaves[index] as Leaf).keys, from);
  for (; index < leaves.length; index += 1, at = 0) {
    const leaf = leaves[index] as Leaf;
    for (; at < leaf.keys.length; at += 1) {
      if (to !== undefined && (leaf.keys[at] as string) >= to) return;
      yield leaf.rows[at] as StoredRow;
      if ((left -= 1) === 0) return;
    }
  }
}

function* backwards(leaves: readonly Leaf[], range: KeyRange, limit: number): Generator<StoredRow> {
  const from = keyText(range.from ?? new Uint8Array());
  const to = range.to === undefined ? undefined : keyText(range.to);
  let left = limit;
  let index = to === undefined ? leaves.length - 1 : leafIndex(leaves, to);
  let at = to === undefined ? (leaves[index] as Leaf).keys.length : lowerBound((leaves[index] as Leaf).keys, to);
  while (true) {
    const leaf = leaves[index] as Leaf;
    for (at -= 1; at >= 0; at -= 1) {
      if ((leaf.keys[at] as string) < from) return;
      yield leaf.rows[at] as StoredRow;
      if ((left -= 1) === 0) return;
    }
    index -= 1;
    if (index < 0) return;
    at = (leaves[index] as Leaf).keys.length;
  }
}

/** The leaf that has, or would get, the key: the last one whose first key is not greater. */
function leafIndex(leaves: readonly Leaf[], text: string): number {
  let low = 0;
  let high = leaves.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const first = (leaves[middle] as Leaf).keys[0];
    if (first !== undefined && first <= text) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Index of the first key that is not smaller. */
function lowerBound(keys: readonly string[], text: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < text) low = middle + 1;
    else high = middle;
  }
  return low;
}

function keyText(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}
