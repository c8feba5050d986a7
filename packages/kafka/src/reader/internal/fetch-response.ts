import type { Reader } from "@platformatic/kafka";

export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
}

export interface FetchedPartition {
  readonly topicId: string;
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logStartOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  /** The leader's log parts from what was read here: it ends what they have in common. */
  readonly divergingEndOffset: number | undefined;
  /** Whole record batches and perhaps a part of one; a buffer of its own, so that it is freed with its partition. */
  readonly records: Buffer;
}

export interface FetchResponse {
  readonly errorCode: number;
  readonly partitions: readonly FetchedPartition[];
}

const noRecords = Buffer.alloc(0);
const divergingEpochTag = 0;

/** @platformatic/kafka's own reads the count of tagged fields as their length, and loses its place when there are any. */
function eachTaggedField(reader: Reader, visit: (tag: number) => void): void {
  const count = reader.readUnsignedVarInt();
  for (let i = 0; i < count; i++) {
    const tag = reader.readUnsignedVarInt();
    const size = reader.readUnsignedVarInt();
    const end = reader.position + size;
    visit(tag);
    reader.position = end;
  }
}

function eachOf(reader: Reader, visit: () => void): void {
  const count = reader.readUnsignedVarInt() - 1;
  for (let i = 0; i < count; i++) visit();
}

const skipTag = (): void => {};

function readAborted(reader: Reader): AbortedTransaction[] {
  const aborted: AbortedTransaction[] = [];
  eachOf(reader, () => {
    aborted.push({ producerId: Number(reader.readInt64()), firstOffset: Number(reader.readInt64()) });
    eachTaggedField(reader, skipTag);
  });
  return aborted;
}

function readRecords(reader: Reader): Buffer {
  const size = reader.readUnsignedVarInt() - 1;
  if (size <= 0) return noRecords;
  const end = reader.position + size;
  // A slice over several socket chunks is a copy; over a single one it shares that chunk (64 KiB).
  const records = reader.buffer.slice(reader.position, end);
  reader.position = end;
  return records;
}

function readPartition(reader: Reader, topicId: string): FetchedPartition {
  const partition = reader.readInt32();
  const errorCode = reader.readInt16();
  const highWatermark = Number(reader.readInt64());
  const lastStableOffset = Number(reader.readInt64());
  const logStartOffset = Number(reader.readInt64());
  const aborted = readAborted(reader);
  reader.readInt32(); // preferred read replica: only for requests that name a rack
  const records = readRecords(reader);
  let divergingEndOffset: number | undefined;
  eachTaggedField(reader, (tag) => {
    if (tag !== divergingEpochTag) return;
    reader.readInt32();
    divergingEndOffset = Number(reader.readInt64());
  });
  return { topicId, partition, errorCode, highWatermark, lastStableOffset, logStartOffset, aborted, divergingEndOffset, records };
}

/** Parses a Fetch response of versions 13 to 17. Unlike the library's own it leaves the record batches as they are. */
export function parseFetchResponse(_correlationId: number, _apiKey: number, _version: number, reader: Reader): FetchResponse {
  reader.readInt32(); // throttle time: the broker has waited already
  const errorCode = reader.readInt16();
  reader.readInt32(); // session
  const partitions: FetchedPartition[] = [];
  eachOf(reader, () => {
    const topicId = reader.readUUID();
    eachOf(reader, () => partitions.push(readPartition(reader, topicId)));
    eachTaggedField(reader, skipTag);
  });
  return { errorCode, partitions };
}
