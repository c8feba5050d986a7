/** As Node's own pool: a row that is kept keeps no more than this alive. */
const slabBytes = 8_192;
/** Up to here a loop over the characters is faster than two calls out of JavaScript. */
const shortText = 32;
/** Of a long's magnitude: what its first four bytes hold, 6 + 3 · 7 bits. */
const lowRange = 2 ** 27;

/**
 * Writes one value after the other into slabs. `take` hands out the bytes without a copy: they are never written again, the
 * next value goes behind them.
 */
export class AvroOutput {
  #bytes: Buffer = Buffer.allocUnsafeSlow(slabBytes);
  #start = 0;
  #end = 0;

  /** Forgets a value that was begun and not taken. */
  reset(): void {
    this.#end = this.#start;
  }

  take(): Buffer {
    const taken = this.#bytes.subarray(this.#start, this.#end);
    this.#start = this.#end;
    if (this.#bytes.length > slabBytes) this.#startSlab(slabBytes, 0); // else a small row would keep a huge one's slab alive
    return taken;
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#end++] = value;
  }

  boolean(value: boolean): void {
    this.byte(value ? 1 : 0);
  }

  /** A safe integer. The sign goes into the lowest bit of the first byte, so the rest stays exact. */
  long(value: number): void {
    this.#reserve(10);
    const sign = value < 0 ? 1 : 0;
    const magnitude = sign === 1 ? -(value + 1) : value;
    if (magnitude < lowRange) {
      this.#varint(magnitude >>> 6, ((magnitude & 63) << 1) | sign);
      return;
    }
    const high = Math.floor(magnitude / lowRange);
    const low = magnitude - high * lowRange;
    const bytes = this.#bytes;
    bytes[this.#end++] = ((low & 63) << 1) | sign | 0x80;
    bytes[this.#end++] = ((low >>> 6) & 0x7f) | 0x80;
    bytes[this.#end++] = ((low >>> 13) & 0x7f) | 0x80;
    bytes[this.#end++] = (low >>> 20) | 0x80;
    this.#varint(high >>> 7, high & 0x7f);
  }

  /** 64 bits. */
  bigint(value: bigint): void {
    this.#reserve(10);
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    for (; rest > 0x7fn; rest >>= 7n) this.#bytes[this.#end++] = Number(rest & 0x7fn) | 0x80;
    this.#bytes[this.#end++] = Number(rest);
  }

  double(value: number): void {
    this.#reserve(8);
    this.#end = this.#bytes.writeDoubleLE(value, this.#end);
  }

  string(text: string): void {
    if (text.length <= shortText && this.#shortAscii(text)) return;
    const length = Buffer.byteLength(text, "utf8");
    this.long(length);
    this.#reserve(length);
    this.#end += this.#bytes.write(text, this.#end, "utf8");
  }

  bytes(bytes: Uint8Array): void {
    this.long(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Writes nothing, and says so, when the text has other characters. */
  #shortAscii(text: string): boolean {
    this.#reserve(shortText + 1);
    const bytes = this.#bytes;
    let at = this.#end;
    bytes[at++] = text.length << 1;
    for (let i = 0; i < text.length; i += 1) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      bytes[at++] = code;
    }
    this.#end = at;
    return true;
  }

  /** The first seven bits and the rest, of a number below 2^34. */
  #varint(rest: number, first: number): void {
    const bytes = this.#bytes;
    let byte = first;
    for (; rest > 0; rest >>>= 7) {
      bytes[this.#end++] = byte | 0x80;
      byte = rest & 0x7f;
    }
    bytes[this.#end++] = byte;
  }

  /** Moves the value that is being written to a new slab when this one is full; what was taken stays where it is. */
  #reserve(more: number): void {
    if (this.#end + more <= this.#bytes.length) return;
    const written = this.#end - this.#start;
    const needed = written + more;
    this.#startSlab(needed > slabBytes ? 2 * needed : slabBytes, written);
  }

  #startSlab(lengthBytes: number, writtenBytes: number): void {
    const next = Buffer.allocUnsafeSlow(lengthBytes);
    this.#bytes.copy(next, 0, this.#end - writtenBytes, this.#end);
    this.#bytes = next;
    this.#start = 0;
    this.#end = writtenBytes;
  }
}
