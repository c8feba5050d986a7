const magic = 0x184d2204;
const blockMaxBytesById: readonly number[] = [0, 0, 0, 0, 65_536, 262_144, 1_048_576, 4_194_304];

function varlength(data: Buffer, at: number, end: number): { length: number; next: number } {
  let length = 0;
  let next = at;
  for (;;) {
    if (next >= end) throw new RangeError("An LZ4 block ends inside a length.");
    const byte = data[next++] as number;
    length += byte;
    if (byte !== 255) return { length, next };
  }
}

/** Walks the tokens of a block without copying a byte. */
function blockBytes(data: Buffer, start: number, end: number): number {
  let at = start;
  let bytes = 0;
  while (at < end) {
    const token = data[at++] as number;
    let literals = token >>> 4;
    if (literals === 15) {
      const more = varlength(data, at, end);
      literals += more.length;
      at = more.next;
    }
    bytes += literals;
    at += literals;
    if (at >= end) break;
    at += 2;
    let match = (token & 15) + 4;
    if (match === 19) {
      const more = varlength(data, at, end);
      match += more.length;
      at = more.next;
    }
    bytes += match;
  }
  return bytes;
}

/**
 * How many bytes an LZ4 frame decompresses to at most, without decompressing it. The bound from the block headers is cheap and nearly
 * always enough; only above `limitBytes` the blocks are walked for the exact number.
 * @throws RangeError when it is no LZ4 frame
 */
export function lz4Bytes(data: Buffer, limitBytes: number): number {
  if (data.length < 7 || data.readUInt32LE(0) !== magic) throw new RangeError("No LZ4 frame.");
  const flags = data[4] as number;
  const blockMaxBytes = blockMaxBytesById[((data[5] as number) >>> 4) & 7] as number;
  if (flags >>> 6 !== 1 || blockMaxBytes === 0) throw new RangeError("An unknown version of LZ4 frames.");
  const first = 4 + 2 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0) + 1;
  const perBlock = flags & 0x10 ? 4 : 0;
  const sum = (exact: boolean): number => {
    let bytes = 0;
    for (let at = first; at + 4 <= data.length; ) {
      const word = data.readUInt32LE(at);
      if (word === 0) return bytes;
      const stored = word & 0x7fffffff;
      const end = at + 4 + stored;
      if (end > data.length) throw new RangeError("An LZ4 frame ends inside a block.");
      if (word > 0x7fffffff) bytes += stored;
      else bytes += exact ? blockBytes(data, at + 4, end) : Math.min(blockMaxBytes, stored * 255);
      at = end + perBlock;
    }
    return bytes;
  };
  const bound = sum(false);
  return bound <= limitBytes ? bound : sum(true);
}
