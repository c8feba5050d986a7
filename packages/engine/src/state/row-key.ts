/**
 * Keys of a task's rows in its store: [slot + 1][varint key length][key bytes][subkey]. Slot: the index of the state, window or timer in the
 * order of the declaration, which never changes for a version. 0 is the task's own row.
 */
export const metaRowKey: Buffer = Buffer.from([0]);

export function rowPrefix(slot: number, key: Uint8Array): Buffer {
  const length = varintLength(key.length);
  const out = Buffer.allocUnsafe(1 + length + key.length);
  writePrefix(out, slot, key);
  return out;
}

export function rowKey(slot: number, key: Uint8Array, subkey: Uint8Array | undefined): Buffer {
  if (subkey === undefined || subkey.length === 0) return rowPrefix(slot, key);
  const out = Buffer.allocUnsafe(1 + varintLength(key.length) + key.length + subkey.length);
  out.set(subkey, writePrefix(out, slot, key));
  return out;
}

/** All rows of a slot. */
export function slotRange(slot: number): { from: Buffer; to: Buffer } {
  return { from: Buffer.from([slot + 1]), to: Buffer.from([slot + 2]) };
}

/** All rows that begin with `prefix`: [prefix, its successor). */
export function prefixRange(prefix: Buffer): { from: Buffer; to?: Buffer } {
  const to = successor(prefix);
  return to === undefined ? { from: prefix } : { from: prefix, to };
}

/** The smallest byte string above everything that begins with `prefix`; undefined when there is none. */
export function successor(prefix: Buffer): Buffer | undefined {
  let end = prefix.length;
  while (end > 0 && prefix[end - 1] === 0xff) end--;
  if (end === 0) return undefined;
  const out = Buffer.from(prefix.subarray(0, end));
  out[end - 1] = (out[end - 1] as number) + 1;
  return out;
}

export interface ParsedRowKey {
  readonly slot: number;
  readonly key: Buffer;
  readonly subkey: Buffer;
}

export function parseRowKey(bytes: Uint8Array): ParsedRowKey {
  const b = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let p = 1;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = b[p++] as number;
    length |= (byte & 127) << shift;
    // `undefined >= 128` is false: the end of damaged bytes ends the loop too.
    if (!(byte >= 128)) break;
  }
  return { slot: (b[0] as number) - 1, key: b.subarray(p, p + length), subkey: b.subarray(p + length) };
}

function varintLength(n: number): number {
  return n < 128 ? 1 : n < 16384 ? 2 : n < 2097152 ? 3 : 4;
}

function writePrefix(out: Buffer, slot: number, key: Uint8Array): number {
  out[0] = slot + 1;
  let p = 1;
  let n = key.length;
  while (n > 127) {
    out[p++] = (n & 127) | 128;
    n >>>= 7;
  }
  out[p++] = n;
  out.set(key, p);
  return p + key.length;
}
