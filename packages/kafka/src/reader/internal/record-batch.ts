/** Bytes before the first record of a batch of message format v2. */
export const batchHeaderBytes = 61;
/** Base offset and length, in front of what `length` counts. */
export const batchPrefixBytes = 12;
/** The checksum covers everything from here to the end of the batch. */
export const checksummedFrom = 21;

const two32 = 4_294_967_296;

/** Offsets and producer ids stay far below 2^53. */
export function int64At(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * two32 + bytes.readUInt32BE(at + 4);
}

/**
 * Header of a record batch (message format v2), see Kafka's `DefaultRecordBatch`. `start` and `end` are positions in the
 * buffer that it was read from.
 */
export interface BatchHeader {
  readonly start: number;
  readonly end: number;
  readonly magic: number;
  readonly baseOffset: number;
  /** The position after the batch: compaction keeps it, also when it removes the last records. */
  readonly nextOffset: number;
  readonly leaderEpoch: number;
  readonly crc: number;
  readonly codec: number;
  /** All records carry the broker's time, `maxTimestamp`. */
  readonly logAppendTime: boolean;
  readonly transactional: boolean;
  readonly control: boolean;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number;
  readonly count: number;
}

/** End of the batch at `at`, or undefined when it is not all there (a fetch may end inside a batch). */
export function batchEndAt(bytes: Buffer, at: number): number | undefined {
  if (at + batchHeaderBytes > bytes.length) return undefined;
  const end = at + batchPrefixBytes + bytes.readInt32BE(at + 8);
  return end > bytes.length || end < at + checksummedFrom - 4 ? undefined : end;
}

/** Reads the header at `at`; the batch must be all there. */
export function readBatchHeader(bytes: Buffer, at: number, end: number): BatchHeader {
  const baseOffset = int64At(bytes, at);
  const attributes = bytes.readInt16BE(at + 21);
  return {
    start: at,
    end,
    magic: bytes.readInt8(at + 16),
    baseOffset,
    nextOffset: baseOffset + bytes.readInt32BE(at + 23) + 1,
    leaderEpoch: bytes.readInt32BE(at + 12),
    crc: bytes.readUInt32BE(at + 17),
    codec: attributes & 7,
    logAppendTime: (attributes & 8) !== 0,
    transactional: (attributes & 16) !== 0,
    control: (attributes & 32) !== 0,
    baseTimestamp: int64At(bytes, at + 27),
    maxTimestamp: int64At(bytes, at + 35),
    producerId: int64At(bytes, at + 43),
    count: bytes.readInt32BE(at + 57),
  };
}
