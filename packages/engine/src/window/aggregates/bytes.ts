import { latin1 } from "../../internal/latin1.ts";

/** Writes values one after another into a buffer that grows. Little endian. */
export class ByteWriter {
  private buffer: Buffer;
  private length = 0;

  constructor(initialBytes: number) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  byte(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  uint32(value: number): void {
    this.reserve(4);
    this.length = this.buffer.writeUInt32LE(value, this.length);
  }

  double(value: number): void {
    this.reserve(8);
    this.length = this.buffer.writeDoubleLE(value, this.length);
  }

  doubles(values: readonly number[]): void {
    this.reserve(8 * values.length);
    const { buffer } = this;
    let at = this.length;
    for (const value of values) at = buffer.writeDoubleLE(value, at);
    this.length = at;
  }

  /** An integer from 0 to 2^53, 7 bits a byte, the lowest first. */
  varint(value: number): void {
    this.reserve(8);
    let n = value;
    while (n > 127) {
      this.buffer[this.length++] = (n % 128) | 128;
      n = Math.floor(n / 128);
    }
    this.buffer[this.length++] = n;
  }

  /** Their length as a varint, then they. */
  bytes(value: Uint8Array): void {
    this.varint(value.length);
    this.raw(value);
  }

  raw(value: Uint8Array): void {
    this.reserve(value.length);
    this.buffer.set(value, this.length);
    this.length += value.length;
  }

  /** One byte per character, after their number as a varint. */
  latin1(text: string): void {
    this.varint(text.length);
    this.reserve(text.length);
    this.length += this.buffer.write(text, this.length, "latin1");
  }

  done(): Buffer {
    return this.length === this.buffer.length ? this.buffer : this.buffer.subarray(0, this.length);
  }

  private reserve(more: number): void {
    if (this.length + more <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.length + more));
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}

/** The inverse of `ByteWriter`. @throws RangeError at the end of the buffer */
export class ByteReader {
  readonly buffer: Buffer;
  private at: number;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
    this.at = 0;
  }

  byte(): number {
    return this.buffer.readUInt8(this.at++);
  }

  uint32(): number {
    const value = this.buffer.readUInt32LE(this.at);
    this.at += 4;
    return value;
  }

  double(): number {
    const value = this.buffer.readDoubleLE(this.at);
    this.at += 8;
    return value;
  }

  varint(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  }

  latin1(): string {
    const length = this.varint();
    const start = this.skip(length);
    return latin1(this.buffer, start, start + length);
  }

  /** Goes on behind `length` bytes; gives where they begin. */
  skip(length: number): number {
    const start = this.at;
    if (start + length > this.buffer.length) throw new RangeError(`${length} bytes at ${start} of ${this.buffer.length}`);
    this.at += length;
    return start;
  }
}
