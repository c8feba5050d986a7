import { latin1 } from "../internal/latin1.ts";
import { decodeStamped, encodeStamped, stampBytes, Stamped, stampOf } from "./stamped.ts";

/**
 * A list is one row per item, under its number, and one row without a subkey that says which numbers there are: [first, next). A list without
 * items has no rows.
 */
export class ListHead {
  readonly first: number;
  readonly next: number;

  constructor(first: number, next: number) {
    this.first = first;
    this.next = next;
  }
}

/** Subkey of the head's row: it sorts before all items. */
export const headId = "";

const itemIdBytes = 6;

/** Subkey of an item: its number in six bytes, so that the order of the rows is that of the list. */
export function itemSubkey(n: number): Buffer {
  const out = Buffer.allocUnsafe(itemIdBytes);
  out.writeUIntBE(n, 0, itemIdBytes);
  return out;
}

export function itemId(n: number): string {
  return latin1(itemSubkey(n));
}

const headTag = 0;
const itemTag = 1;

interface ItemCodec {
  encode(value: unknown): Uint8Array;
  decode(bytes: Buffer, start: number, end: number): unknown;
}

/** [tag 0][u48 first][u48 next] for a head, [tag 1][item] for an item: stamped when the list has a time to live. */
export function encodeListRow(item: ItemCodec, row: unknown): Buffer {
  if (row instanceof ListHead) {
    const out = Buffer.allocUnsafe(1 + 2 * itemIdBytes);
    out[0] = headTag;
    out.writeUIntBE(row.first, 1, itemIdBytes);
    out.writeUIntBE(row.next, 1 + itemIdBytes, itemIdBytes);
    return out;
  }
  const bytes = row instanceof Stamped ? encodeStamped(item, row) : item.encode(row);
  const out = Buffer.allocUnsafe(1 + bytes.length);
  out[0] = itemTag;
  out.set(bytes, 1);
  return out;
}

export function decodeListRow(item: ItemCodec, stamped: boolean, bytes: Buffer): unknown {
  if (bytes[0] === headTag) return new ListHead(bytes.readUIntBE(1, itemIdBytes), bytes.readUIntBE(1 + itemIdBytes, itemIdBytes));
  return stamped ? decodeStamped(item, bytes.subarray(1)) : item.decode(bytes, 1, bytes.length);
}

/** Where the item begins in a row; undefined for a head. */
export function itemValueStart(bytes: Buffer, stamped: boolean): number | undefined {
  if (bytes[0] === headTag) return undefined;
  return stamped ? 1 + stampBytes : 1;
}

/** A row with what stands before `start`, and another item. */
export function itemRowBytes(bytes: Buffer, start: number, item: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, start), item]);
}

/** When the item of a list with a time to live was written, epoch ms. */
export function stampOfItem(bytes: Buffer): number {
  return stampOf(bytes.subarray(1));
}
