import { compressionsAlgorithms } from "@platformatic/kafka";
import * as zlib from "node:zlib";
import { ZSTDDecoder } from "zstddec";
import { lz4Bytes } from "./lz4-size.ts";
import { zstdBytes } from "./zstd-size.ts";

/** More bytes than the reader is willing to hold: a decompression bomb, or a bound that is too small. */
export class TooManyBytes extends Error {
  override readonly name = "TooManyBytes";
}

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeaderBytes = 16;

// node:zlib has Zstandard from Node 22.15 on.
const nativeZstd = (zlib as { zstdDecompressSync?: (data: Uint8Array, options: { maxOutputLength: number }) => Buffer }).zstdDecompressSync;
const wasmZstd = new ZSTDDecoder();

/** Has to be awaited once before `decompress`: WebAssembly is compiled where Node itself lacks a codec. */
export async function prepareCodecs(): Promise<void> {
  if (nativeZstd === undefined) await wasmZstd.init();
}

function within(bytes: number, limitBytes: number): void {
  if (bytes > limitBytes) throw new TooManyBytes(`${bytes} bytes when decompressed`);
}

function withOutputBound(decode: () => Buffer, limitBytes: number): Buffer {
  try {
    return decode();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE") {
      throw new TooManyBytes(`more than ${limitBytes} bytes when decompressed`, { cause: error });
    }
    throw error;
  }
}

/** A block of Snappy says its decompressed length first, as a varint. */
function snappyBytes(data: Buffer): number {
  let bytes = 0;
  for (let i = 0; i < 5; i++) {
    const byte = data.readUInt8(i);
    bytes += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return bytes;
  }
  throw new RangeError("No Snappy block.");
}

function snappyBlock(data: Buffer, limitBytes: number): Buffer {
  const bytes = snappyBytes(data);
  within(bytes, limitBytes);
  const decoded = compressionsAlgorithms.snappy.decompressSync(data);
  if (decoded.length !== bytes) throw new RangeError("A Snappy block is shorter than it says.");
  return decoded;
}

/** Java's producer writes Snappy in the framing of xerial's library, librdkafka writes one plain block. */
function snappy(data: Buffer, limitBytes: number): Buffer {
  if (data.length < xerialHeaderBytes || data.compare(xerialMagic, 0, 8, 0, 8) !== 0) return snappyBlock(data, limitBytes);
  const blocks: Buffer[] = [];
  let left = limitBytes;
  for (let at = xerialHeaderBytes; at < data.length; ) {
    const length = data.readUInt32BE(at);
    if (at + 4 + length > data.length) throw new RangeError("A Snappy frame ends inside a block.");
    const block = snappyBlock(data.subarray(at + 4, at + 4 + length), left);
    left -= block.length;
    blocks.push(block);
    at += 4 + length;
  }
  return blocks.length === 1 ? (blocks[0] as Buffer) : Buffer.concat(blocks);
}

function lz4(data: Buffer, limitBytes: number): Buffer {
  within(lz4Bytes(data, limitBytes), limitBytes);
  return compressionsAlgorithms.lz4.decompressSync(data);
}

function zstd(data: Buffer, limitBytes: number): Buffer {
  if (nativeZstd !== undefined) return withOutputBound(() => nativeZstd(data, { maxOutputLength: limitBytes }), limitBytes);
  const bound = zstdBytes(data);
  if (bound === 0) return Buffer.alloc(0);
  // The bound counts each block as full; with the limit as capacity the decoder itself refuses what does not fit.
  const decoded = wasmZstd.decode(data, Math.min(bound, limitBytes));
  if (decoded.length === 0) {
    if (bound > limitBytes) throw new TooManyBytes(`up to ${bound} bytes when decompressed`);
    throw new RangeError("A Zstandard frame can't be decompressed.");
  }
  return Buffer.from(decoded.buffer, decoded.byteOffset, decoded.byteLength);
}

/**
 * Decompresses the records of a batch into a buffer of their own (`codec` 0: the same bytes).
 * @throws TooManyBytes beyond `limitBytes`, without having allocated more than that; any other error means corrupt data
 */
export function decompress(codec: number, data: Buffer, limitBytes: number): Buffer {
  switch (codec) {
    case 0:
      return data;
    case 1:
      return withOutputBound(() => zlib.gunzipSync(data, { maxOutputLength: limitBytes }), limitBytes);
    case 2:
      return snappy(data, limitBytes);
    case 3:
      return lz4(data, limitBytes);
    case 4:
      return zstd(data, limitBytes);
    default:
      throw new RangeError(`Unknown codec ${codec}.`);
  }
}
