const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
const blockMaxBytes = 131_072;

interface Frame {
  readonly bytes: number;
  readonly next: number;
}

/** The layout is RFC 8878, section 3.1.1. */
function frame(data: Buffer, start: number): Frame {
  const descriptor = data.readUInt8(start + 4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionaryIdBytes = [0, 1, 2, 4][descriptor & 3] as number;
  const contentSizeBytes = [singleSegment ? 1 : 0, 2, 4, 8][descriptor >>> 6] as number;
  const contentSizeAt = start + 5 + (singleSegment ? 0 : 1) + dictionaryIdBytes;
  let declared = Number.POSITIVE_INFINITY;
  if (contentSizeBytes === 1) declared = data.readUInt8(contentSizeAt);
  else if (contentSizeBytes === 2) declared = data.readUInt16LE(contentSizeAt) + 256;
  else if (contentSizeBytes === 4) declared = data.readUInt32LE(contentSizeAt);
  else if (contentSizeBytes === 8) declared = Number(data.readBigUInt64LE(contentSizeAt));
  let bytes = 0;
  let at = contentSizeAt + contentSizeBytes;
  for (;;) {
    const header = data.readUIntLE(at, 3);
    const size = header >>> 3;
    const type = (header >>> 1) & 3;
    if (type === 3) throw new RangeError("A Zstandard block of a reserved type.");
    bytes += type === 2 ? blockMaxBytes : size;
    at += 3 + (type === 1 ? 1 : size);
    if (at > data.length) throw new RangeError("A Zstandard frame ends inside a block.");
    if (header & 1) break;
  }
  return { bytes: Math.min(bytes, declared), next: at + (descriptor & 4 ? 4 : 0) };
}

/**
 * How many bytes Zstandard frames decompress to at most, from their block headers alone.
 * @throws RangeError when these are no Zstandard frames
 */
export function zstdBytes(data: Buffer): number {
  let bytes = 0;
  for (let at = 0; at < data.length; ) {
    const magic = data.readUInt32LE(at);
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
      at += 8 + data.readUInt32LE(at + 4);
      continue;
    }
    if (magic !== frameMagic) throw new RangeError("No Zstandard frame.");
    const found = frame(data, at);
    bytes += found.bytes;
    at = found.next;
  }
  return bytes;
}
