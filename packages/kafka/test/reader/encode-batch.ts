import { compressionsAlgorithms } from "@platformatic/kafka";
import { gzipSync } from "node:zlib";

/** Record batches made by hand, from Kafka's documentation and through none of the code under test. */
export interface MadeRecord {
  readonly key?: string | Buffer | null;
  readonly value?: string | Buffer | null;
  readonly timestamp?: number;
  /** Default: one after the record before. */
  readonly offsetDelta?: number;
  readonly headers?: readonly (readonly [string, string | null])[];
}

export interface MadeBatch {
  readonly baseOffset: number;
  readonly records: readonly MadeRecord[];
  readonly codec?: "none" | "gzip" | "snappy" | "xerial" | "lz4" | "zstd";
  readonly baseTimestamp?: number;
  /** Set: the broker's time for all records. */
  readonly logAppendTime?: number;
  readonly producerId?: number;
  readonly transactional?: boolean;
  readonly control?: boolean;
  readonly lastOffsetDelta?: number;
  readonly leaderEpoch?: number;
  readonly magic?: number;
  /** In place of the records' own count and bytes. */
  readonly count?: number;
  readonly payload?: Buffer;
}

export const defaultTimestamp = 1_700_000_000_000;

function varint(value: number | bigint): Buffer {
  let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
  const bytes: number[] = [];
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function sized(part: string | Buffer | null | undefined): Buffer {
  if (part === null || part === undefined) return varint(-1);
  const bytes = Buffer.from(part);
  return Buffer.concat([varint(bytes.length), bytes]);
}

function encodeRecord(record: MadeRecord, delta: number, baseTimestamp: number): Buffer {
  const headers = record.headers ?? [];
  const body = Buffer.concat([
    Buffer.from([0]),
    varint((record.timestamp ?? baseTimestamp) - baseTimestamp),
    varint(delta),
    sized(record.key),
    sized(record.value),
    varint(headers.length),
    ...headers.flatMap(([name, value]) => [sized(name), sized(value)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

function xerial(data: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])];
  for (let at = 0; at < data.length; at += 32_768) {
    const block = compressionsAlgorithms.snappy.compressSync(data.subarray(at, at + 32_768)) as Buffer;
    const length = Buffer.alloc(4);
    length.writeUInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/** A Zstandard frame of raw blocks: node:zlib has no Zstandard before Node 22.15. */
export function zstdOfRawBlocks(data: Buffer, blockBytes = 1_000): Buffer {
  const parts: Buffer[] = [Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58])];
  for (let at = 0; at === 0 || at < data.length; at += blockBytes) {
    const block = data.subarray(at, at + blockBytes);
    const header = Buffer.alloc(3);
    header.writeUIntLE((block.length << 3) | (at + blockBytes >= data.length ? 1 : 0), 0, 3);
    parts.push(header, block);
  }
  return Buffer.concat(parts);
}

const codecs = {
  none: [0, (data: Buffer) => data],
  gzip: [1, (data: Buffer) => gzipSync(data)],
  snappy: [2, (data: Buffer) => compressionsAlgorithms.snappy.compressSync(data) as Buffer],
  xerial: [2, xerial],
  lz4: [3, (data: Buffer) => compressionsAlgorithms.lz4.compressSync(data) as Buffer],
  zstd: [4, zstdOfRawBlocks],
} as const;

/** CRC-32C bit by bit: slow, and plainly right. */
export function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return (crc ^ 0xffffffff) >>> 0;
}

export function encodeBatch(made: MadeBatch): Buffer {
  const baseTimestamp = made.baseTimestamp ?? defaultTimestamp;
  let delta = -1;
  const records = made.records.map((record) => {
    delta = record.offsetDelta ?? delta + 1;
    return encodeRecord(record, delta, baseTimestamp);
  });
  const [codec, compress] = codecs[made.codec ?? "none"];
  const payload = made.payload ?? compress(Buffer.concat(records));
  const batch = Buffer.alloc(61 + payload.length);
  const attributes = codec | (made.logAppendTime === undefined ? 0 : 8) | (made.transactional ? 16 : 0) | (made.control ? 32 : 0);
  batch.writeBigInt64BE(BigInt(made.baseOffset), 0);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt32BE(made.leaderEpoch ?? 0, 12);
  batch.writeInt8(made.magic ?? 2, 16);
  batch.writeInt16BE(attributes, 21);
  batch.writeInt32BE(made.lastOffsetDelta ?? delta, 23);
  batch.writeBigInt64BE(BigInt(baseTimestamp), 27);
  batch.writeBigInt64BE(BigInt(made.logAppendTime ?? baseTimestamp), 35);
  batch.writeBigInt64BE(BigInt(made.producerId ?? -1), 43);
  batch.writeInt16BE(made.producerId === undefined ? -1 : 0, 51);
  batch.writeInt32BE(-1, 53);
  batch.writeInt32BE(made.count ?? records.length, 57);
  payload.copy(batch, 61);
  batch.writeUInt32BE(slowCrc32c(batch.subarray(21)), 17);
  return batch;
}

/** The marker that ends a transaction. */
export function marker(baseOffset: number, producerId: number, kind: "abort" | "commit"): Buffer {
  const key = Buffer.from([0, 0, 0, kind === "abort" ? 0 : 1]);
  return encodeBatch({ baseOffset, producerId, transactional: true, control: true, records: [{ key, value: Buffer.alloc(6) }] });
}

/** `n` records named by their offset. */
export function numbered(baseOffset: number, n: number): MadeRecord[] {
  return Array.from({ length: n }, (_, i) => ({ key: `k${baseOffset + i}`, value: `v${baseOffset + i}` }));
}
