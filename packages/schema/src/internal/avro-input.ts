import { fail } from "./misfit.ts";
import { utf8Text } from "./utf8-text.ts";

/** Bits of a long's magnitude in its first four bytes: 6 + 3 · 7. */
const lowBits = 27;

/**
 * A cursor over Avro binary within [position, end). Calls `fail` at the end of the bytes and for what Avro does not allow;
 * `position` then says where.
 */
export class AvroInput {
  #bytes: Buffer = Buffer.alloc(0);
  position = 0;
  #end = 0;

  reset(bytes: Buffer, start: number, end: number): this {
    this.#bytes = bytes;
    this.position = start;
    this.#end = end;
    return this;
  }

  /** Lets go of the buffer, so that an idle decoder keeps no batch alive. */
  release(): void {
    this.#bytes = Buffer.alloc(0);
  }

  get atEnd(): boolean {
    return this.position === this.#end;
  }

  byte(): number {
    if (this.position >= this.#end) fail();
    return this.#bytes[this.position++] as number;
  }

  boolean(): boolean {
    const byte = this.byte();
    if (byte > 1) fail();
    return byte === 1;
  }

  /**
   * Zigzag: the lowest bit is the sign. The magnitude is put together from two integers, 27 bits and the rest, so that it stays
   * exact up to 2^53 - 1 and needs no arithmetic on doubles but one multiplication.
   */
  long(): number {
    let byte = this.byte();
    const negative = (byte & 1) === 1;
    let low = (byte & 0x7f) >>> 1;
    for (let shift = 6; byte >= 0x80 && shift < lowBits; shift += 7) {
      byte = this.byte();
      low |= (byte & 0x7f) << shift;
    }
    if (byte < 0x80) return negative ? -low - 1 : low;
    let high = 0;
    for (let shift = 0; byte >= 0x80; shift += 7) {
      byte = this.byte();
      // Beyond 26 bits it is no safe integer any more: only zeros may follow, at most to Avro's ten bytes.
      if (shift > 35 || (shift > 21 && (byte & 0x7f) !== 0)) fail();
      high |= (byte & 0x7f) << shift;
    }
    if (high >= 2 ** 26) fail();
    const magnitude = high * 2 ** lowBits + low;
    const value = negative ? -magnitude - 1 : magnitude;
    return Number.isSafeInteger(value) ? value : fail();
  }

  int(): number {
    const value = this.long();
    return (value | 0) === value ? value : fail();
  }

  bigint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      if (shift > 63n) fail();
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    if (value >= 1n << 64n) fail();
    return (value >> 1n) ^ -(value & 1n);
  }

  double(): number {
    const start = this.#take(8);
    return this.#bytes.readDoubleLE(start);
  }

  string(): string {
    const start = this.#take(this.long());
    return utf8Text(this.#bytes, start, this.position);
  }

  bytes(): Uint8Array {
    const start = this.#take(this.long());
    return new Uint8Array(this.#bytes.subarray(start, this.position));
  }

  /** A union branch or enum symbol: 0 ≤ index < count. */
  index(count: number): number {
    const index = this.long();
    return index >= 0 && index < count ? index : fail();
  }

  /** Items of the next block of an array or map; 0: none follow. A negative count is followed by the block's size, which is of no use here. */
  blockCount(): number {
    const count = this.long();
    if (count >= 0) return this.#plausible(count);
    this.long();
    return this.#plausible(-count);
  }

  /** Every item but an empty record takes a byte: a count beyond what is left would only fill memory before it fails. */
  #plausible(count: number): number {
    return count <= this.#end - this.position ? count : fail();
  }

  #take(length: number): number {
    const start = this.position;
    if (length < 0 || length > this.#end - start) fail();
    this.position = start + length;
    return start;
  }
}
