import { decodeNumber, encodeNumber } from "./ordered-key.ts";

/** What a row of a state with a time to live holds: its value, and the stream time of its last write in epoch ms. */
export class Stamped {
  readonly writtenMs: number;
  readonly value: unknown;

  constructor(writtenMs: number, value: unknown) {
    this.writtenMs = writtenMs;
    this.value = value;
  }
}

/** Before the value. */
export const stampBytes = 8;

interface ValueCodec {
  encode(value: unknown): Uint8Array;
  decode(bytes: Buffer, start: number, end: number): unknown;
}

/** [f64 written][value]: the time is read without decoding the value when the queue is filled again. */
export function encodeStamped(codec: ValueCodec, { writtenMs, value }: Stamped): Buffer {
  return stampedBytes(writtenMs, codec.encode(value));
}

export function stampedBytes(writtenMs: number, value: Uint8Array): Buffer {
  return Buffer.concat([encodeNumber(writtenMs), value]);
}

export function decodeStamped(codec: ValueCodec, bytes: Buffer): Stamped {
  return new Stamped(stampOf(bytes), codec.decode(bytes, stampBytes, bytes.length));
}

/** When a stamped row was written, epoch ms. */
export function stampOf(bytes: Buffer): number {
  return decodeNumber(bytes);
}
