import { hash128, hashResult } from "./digest.ts";

/** Length that stands for a deletion. */
const deleted = 0xffffffff;

export interface EncodedRow {
  readonly key: Buffer;
  /** null: the row was deleted. */
  readonly value: Buffer | null;
}

/**
 * Rows one after another: [u32 key length][key][u32 value length, or 2^32 − 1 for a deletion][value], big endian. It is what deltas carry, what
 * digests are computed over, and what the store's batch points into: each row is encoded once per commit.
 */
export class RowBuffer {
  bytes: Buffer;
  length = 0;
  rows = 0;

  constructor(initialBytes = 1 << 16) {
    this.bytes = Buffer.allocUnsafeSlow(initialBytes);
  }

  /** Starts a row: writes its key [slot + 1][varint length][key][subkey]; returns where the row begins. */
  beginRow(slot: number, key: Uint8Array, subkey: Uint8Array | undefined): number {
    const start = this.length;
    this.reserve(13 + key.length + (subkey?.length ?? 0));
    const b = this.bytes;
    let p = start + 4;
    b[p++] = slot + 1;
    let n = key.length;
    while (n > 127) {
      b[p++] = (n & 127) | 128;
      n >>>= 7;
    }
    b[p++] = n;
    b.set(key, p);
    p += key.length;
    if (subkey !== undefined) {
      b.set(subkey, p);
      p += subkey.length;
    }
    b.writeUInt32BE(p - start - 4, start);
    this.length = p;
    return start;
  }

  /** The same with a key as it is stored, which is what `beginRow` writes. */
  beginStored(rowKey: Uint8Array): number {
    const start = this.length;
    this.reserve(4 + rowKey.length);
    this.bytes.set(rowKey, this.bytes.writeUInt32BE(rowKey.length, start));
    this.length = start + 4 + rowKey.length;
    return start;
  }

  endRow(value: Uint8Array | null): void {
    this.reserve(4 + (value?.length ?? 0));
    this.length = this.bytes.writeUInt32BE(value === null ? deleted : value.length, this.length);
    if (value !== null) {
      this.bytes.set(value, this.length);
      this.length += value.length;
    }
    this.rows++;
  }

  /** The hash of the row that began at `start` and was ended last, into `hashResult`. */
  hashRow(start: number, seed: number): Uint32Array {
    hash128(this.bytes, start, this.length, seed);
    return hashResult;
  }

  clear(): void {
    this.length = 0;
    this.rows = 0;
  }

  private reserve(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const next = Buffer.allocUnsafeSlow(Math.max(this.bytes.length * 2, this.length + more));
    this.bytes.copy(next, 0, 0, this.length);
    this.bytes = next;
  }
}

/** The rows in `bytes`, as views. @throws RangeError when it is cut short */
export function* decodeRows(bytes: Buffer): Generator<EncodedRow> {
  let p = 0;
  while (p < bytes.length) {
    const keyLength = bytes.readUInt32BE(p);
    const key = bytes.subarray(p + 4, p + 4 + keyLength);
    p += 4 + keyLength;
    const valueLength = bytes.readUInt32BE(p);
    p += 4;
    if (valueLength === deleted) {
      yield { key, value: null };
      continue;
    }
    if (p + valueLength > bytes.length) throw new RangeError("rows are cut short");
    yield { key, value: bytes.subarray(p, p + valueLength) };
    p += valueLength;
  }
}
