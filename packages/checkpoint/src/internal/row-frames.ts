import type { RowWrite } from "@reprise/engine";

/** Two 32-bit lengths, of key and value, before them. */
const frameHeaderBytes = 8;
/** Value length that stands for a deletion. */
const deleted = 0xffff_ffff;

export const frameBytes = ({ key, value }: RowWrite): number => frameHeaderBytes + key.length + (value?.length ?? 0);

/** One row per frame: key length, value length or 2³² − 1 for a deletion (32 bits, little endian), key, value. */
export function encodeRows(rows: readonly RowWrite[], bytes: number): Buffer {
  const frames = Buffer.allocUnsafeSlow(bytes);
  let at = 0;
  for (const { key, value } of rows) {
    at = frames.writeUInt32LE(key.length, at);
    at = frames.writeUInt32LE(value === null ? deleted : value.length, at);
    frames.set(key, at);
    at += key.length;
    if (value === null) continue;
    frames.set(value, at);
    at += value.length;
  }
  return frames;
}

/** The rows in a segment's bytes, as views of them; undefined when they can't be frames. */
export function decodeRows(bytes: Buffer): RowWrite[] | undefined {
  const rows: RowWrite[] = [];
  const { buffer, byteOffset, length } = bytes;
  const view = new DataView(buffer, byteOffset, length);
  for (let at = 0; at < length; ) {
    if (length - at < frameHeaderBytes) return undefined;
    const keyStart = at + frameHeaderBytes;
    const keyEnd = keyStart + view.getUint32(at, true);
    const valueLength = view.getUint32(at + 4, true);
    at = valueLength === deleted ? keyEnd : keyEnd + valueLength;
    if (at > length) return undefined;
    rows.push({ key: bytes.subarray(keyStart, keyEnd), value: valueLength === deleted ? null : bytes.subarray(keyEnd, at) });
  }
  return rows;
}
