import type { StoredRow } from "@reprise/engine";

/** Two 32-bit lengths, of key and value, before them. */
export const frameHeaderBytes = 8;

/** One row per frame: key length, value length (32 bits, little endian), key, value. */
export function encodeRows(rows: readonly StoredRow[]): Buffer {
  let bytes = 0;
  for (const { key, value } of rows) bytes += frameHeaderBytes + key.length + value.length;
  const frames = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const { key, value } of rows) {
    at = frames.writeUInt32LE(key.length, at);
    at = frames.writeUInt32LE(value.length, at);
    frames.set(key, at);
    frames.set(value, at + key.length);
    at += key.length + value.length;
  }
  return frames;
}

/** Takes the file's bytes as they come, and gives back the rows that are whole. Rows are views of the bytes given. */
export class FrameDecoder {
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of the file that have not come yet: no frame may claim more. */
  #left: number;

  constructor(fileBytes: number) {
    this.#left = fileBytes;
  }

  /** Undefined when the bytes can't be frames. */
  push(bytes: Buffer): StoredRow[] | undefined {
    this.#left -= bytes.length;
    const input = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const rows: StoredRow[] = [];
    let at = 0;
    while (input.length - at >= frameHeaderBytes) {
      const keyEnd = at + frameHeaderBytes + input.readUInt32LE(at);
      const end = keyEnd + input.readUInt32LE(at + 4);
      if (end > input.length + this.#left) return undefined;
      if (end > input.length) break;
      rows.push({ key: input.subarray(at + frameHeaderBytes, keyEnd), value: input.subarray(keyEnd, end) });
      at = end;
    }
    this.#rest = input.subarray(at);
    return rows;
  }

  /** Bytes of a frame whose end has not come. */
  get pendingBytes(): number {
    return this.#rest.length;
  }
}
