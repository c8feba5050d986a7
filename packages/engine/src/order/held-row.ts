import type { RecordColumns } from "../ports/log-reader.ts";
import { decodeNumber, encodeNumber } from "../state/ordered-key.ts";
import type { SlotCodec } from "../state/task-state.ts";
import { headersEnd } from "../task/record-headers.ts";

/** Held records' rows: the value is the record's bytes, which are what handlers would see as well. */
export const heldCodec: SlotCodec = { kind: "entries", encode: (value) => value as Buffer, decode: (bytes) => Buffer.from(bytes) };

/** Subkey of a held record's row: [ordered time, 8 bytes][u16 input][u48 offset], big endian, so that rows of a key sort as they are taken. */
export function heldSubkey(timeMs: number, input: number, offset: number): Buffer {
  const out = Buffer.allocUnsafe(16);
  out.set(encodeNumber(timeMs), 0);
  out.writeUInt16BE(input, 8);
  out.writeUIntBE(offset, 10, 6);
  return out;
}

export function parseHeldSubkey(subkey: Buffer): { readonly timeMs: number; readonly input: number; readonly offset: number } {
  return { timeMs: decodeNumber(subkey), input: subkey.readUInt16BE(8), offset: subkey.readUIntBE(10, 6) };
}

const headBytes = 16;

/** A record as a row: [f64 timestamp][u32 key length][i32 value length, −1: null][key][value][headers as they stand in the log], little endian. */
export function encodeHeld(columns: RecordColumns, i: number): Buffer {
  const { bytes } = columns;
  const keyStart = columns.keyStarts[i] as number;
  const keyLength = columns.keyLengths[i] as number;
  const valueStart = columns.valueStarts[i] as number;
  const valueLength = columns.valueLengths[i] as number;
  const headersStart = columns.headerStarts[i] as number;
  const end = headersEnd(columns, i);
  const out = Buffer.allocUnsafeSlow(headBytes + keyLength + Math.max(0, valueLength) + end - headersStart);
  out.writeDoubleLE(columns.timestamps[i] as number, 0);
  out.writeUInt32LE(keyLength, 8);
  out.writeInt32LE(valueLength, 12);
  let at = headBytes;
  at += bytes.copy(out, at, keyStart, keyStart + keyLength);
  if (valueLength > 0) at += bytes.copy(out, at, valueStart, valueStart + valueLength);
  bytes.copy(out, at, headersStart, end);
  return out;
}

/** One held record as columns, filled anew for each: what it says is valid while its handler runs. */
export class HeldColumns implements RecordColumns {
  topic = "";
  readonly partition: number;
  readonly count = 1;
  nextOffset = 0;
  bytes: Buffer = Buffer.alloc(0);
  readonly offsets = new Float64Array(1);
  readonly timestamps = new Float64Array(1);
  readonly keyStarts = Int32Array.of(headBytes);
  readonly keyLengths = new Int32Array(1);
  readonly valueStarts = new Int32Array(1);
  readonly valueLengths = new Int32Array(1);
  readonly headerStarts = new Int32Array(1);

  constructor(partition: number) {
    this.partition = partition;
  }

  fill(topic: string, offset: number, row: Buffer): void {
    const keyLength = row.readUInt32LE(8);
    const valueLength = row.readInt32LE(12);
    this.topic = topic;
    this.nextOffset = offset + 1;
    this.bytes = row;
    this.offsets[0] = offset;
    this.timestamps[0] = row.readDoubleLE(0);
    this.keyLengths[0] = keyLength;
    this.valueStarts[0] = headBytes + keyLength;
    this.valueLengths[0] = valueLength;
    this.headerStarts[0] = headBytes + keyLength + Math.max(0, valueLength);
  }
}
