import type { LogReader, PartitionEnd, RecordColumns, RecordHeader, TopicPartition } from "@reprise/engine";

/** One record of the in-memory log. */
export interface MemoryRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  readonly headers?: readonly RecordHeader[] | undefined;
}

/** Partition 0 of each input topic as arrays. A reader of it sees what was appended, at most `columnRecords` at a time. */
export class MemoryLog {
  readonly topics = new Map<string, MemoryRecord[]>();

  append(topic: string, record: MemoryRecord): void {
    const records = this.topics.get(topic);
    if (records === undefined) this.topics.set(topic, [record]);
    else records.push(record);
  }
}

export class MemoryLogReader implements LogReader {
  private readonly log: MemoryLog;
  private readonly columnRecords: number;
  private readonly positions = new Map<string, number>();
  /** Records visible per topic; undefined: all. Lets a replay see records arrive as they did. */
  visible: ReadonlyMap<string, number> | undefined;

  constructor(log: MemoryLog, columnRecords = 1000) {
    this.log = log;
    this.columnRecords = columnRecords;
  }

  assign({ topic }: TopicPartition, offset: number): void {
    this.positions.set(topic, offset);
  }

  unassign({ topic }: TopicPartition): void {
    this.positions.delete(topic);
  }

  take({ topic }: TopicPartition): RecordColumns | undefined {
    const from = this.positions.get(topic);
    if (from === undefined) return undefined;
    const to = Math.min(this.lengthOf(topic), from + this.columnRecords);
    if (from >= to) return undefined;
    this.positions.set(topic, to);
    return columnsOf(topic, from, (this.log.topics.get(topic) ?? []).slice(from, to));
  }

  end({ topic }: TopicPartition): PartitionEnd {
    const length = this.lengthOf(topic);
    return { lastStableOffset: length, highWatermark: length, logStartOffset: 0 };
  }

  async wait(): Promise<void> {}

  async close(): Promise<void> {}

  private lengthOf(topic: string): number {
    return this.visible === undefined ? (this.log.topics.get(topic)?.length ?? 0) : (this.visible.get(topic) ?? 0);
  }
}

export function columnsOf(topic: string, from: number, records: readonly MemoryRecord[]): RecordColumns {
  const count = records.length;
  const parts: Buffer[] = [Buffer.of(0)];
  const columns = {
    offsets: new Float64Array(count),
    timestamps: new Float64Array(count),
    keyStarts: new Int32Array(count),
    keyLengths: new Int32Array(count),
    valueStarts: new Int32Array(count),
    valueLengths: new Int32Array(count),
    // Byte 0 of the buffer is a header count of none, for all that have none.
    headerStarts: new Int32Array(count),
  };
  let at = 1;
  records.forEach(({ key, value, timestampMs, headers }, i) => {
    columns.offsets[i] = from + i;
    columns.timestamps[i] = timestampMs;
    columns.keyStarts[i] = at;
    columns.keyLengths[i] = key === null ? -1 : key.length;
    columns.valueStarts[i] = at + (key?.length ?? 0);
    columns.valueLengths[i] = value === null ? -1 : value.length;
    if (key !== null) parts.push(key);
    if (value !== null) parts.push(value);
    at += (key?.length ?? 0) + (value?.length ?? 0);
    if (headers === undefined) return;
    const encoded = encodeHeaders(headers);
    columns.headerStarts[i] = at;
    parts.push(encoded);
    at += encoded.length;
  });
  return { topic, partition: 0, count, nextOffset: from + count, bytes: Buffer.concat(parts), ...columns };
}

/** As Kafka has them: a varint count, then name and value of each, with their lengths. */
function encodeHeaders(headers: readonly RecordHeader[]): Buffer {
  const parts: Buffer[] = [varint(headers.length)];
  for (const text of headers.flatMap(({ key, value }) => [key, value])) {
    const bytes = Buffer.from(text);
    parts.push(varint(bytes.length), bytes);
  }
  return Buffer.concat(parts);
}

function varint(n: number): Buffer {
  const bytes: number[] = [];
  let rest = n * 2;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.of(...bytes, rest);
}
