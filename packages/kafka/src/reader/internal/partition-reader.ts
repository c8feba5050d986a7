import type { PartitionEnd, RecordColumns } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { crc32c } from "./crc32c.ts";
import { type DecodedRecords, decodeRecords } from "./decode-records.ts";
import { decompress, TooManyBytes } from "./decompress.ts";
import { FetchedBatches, scanBatches } from "./fetched-batches.ts";
import type { FetchedPartition } from "./fetch-response.ts";
import { batchHeaderBytes, type BatchHeader, checksummedFrom } from "./record-batch.ts";

const noColumns = new Float64Array(0);
const noSpans = new Int32Array(0);
const nothing: DecodedRecords = {
  count: 0,
  offsets: noColumns,
  timestamps: noColumns,
  keyStarts: noSpans,
  keyLengths: noSpans,
  valueStarts: noSpans,
  valueLengths: noSpans,
  headerStarts: noSpans,
};
const noBytes: Buffer = Buffer.alloc(0);

/** What changed with a fetch. */
export interface Accepted {
  readonly batches: boolean;
  readonly endMoved: boolean;
}

/**
 * One assigned partition: what was fetched of it and not taken yet, as it came over the wire, and the positions at both ends.
 * Batches are checked, decompressed and decoded when they are taken, so `bufferedBytes` bounds what the reader holds.
 */
export class PartitionReader {
  readonly topic: string;
  readonly partition: number;
  readonly #maxBatchBytes: number;
  readonly #fetched: FetchedBatches[] = [];
  /** The offset to deliver next. */
  #position: number;
  /** The offset to fetch next. */
  fetchOffset: number;
  /** Leader epoch of the last batch fetched; -1 before the first. */
  lastEpoch = -1;
  bufferedBytes = 0;
  end: PartitionEnd | undefined;
  /** The last fetch found nothing new, or reached the last stable offset. */
  atEnd = false;
  error: RepriseError | undefined;
  /** Unassigned: answers on their way are for nobody. */
  released = false;
  /** Failed fetches in a row. */
  failures = 0;

  constructor(topic: string, partition: number, offset: number, maxBatchBytes: number) {
    this.topic = topic;
    this.partition = partition;
    this.#position = offset;
    this.fetchOffset = offset;
    this.#maxBatchBytes = maxBatchBytes;
  }

  get position(): number {
    return this.#position;
  }

  /** Something can be taken; an error shows only once the batches before it were taken. */
  get ready(): boolean {
    return this.#fetched.length > 0 || this.error !== undefined;
  }

  accept(fetched: FetchedPartition): Accepted {
    const { records, aborted, highWatermark, lastStableOffset, logStartOffset } = fetched;
    const scan = scanBatches(records);
    const before = this.end;
    this.failures = 0;
    const endMoved =
      before?.highWatermark !== highWatermark || before.lastStableOffset !== lastStableOffset || before.logStartOffset !== logStartOffset;
    if (endMoved) this.end = { lastStableOffset, highWatermark, logStartOffset };
    if (scan.nextOffset === undefined) {
      // A part of a batch only: others filled the response. It is asked for first next time, and comes whole.
      this.atEnd = records.length === 0;
      return { batches: false, endMoved };
    }
    if (scan.nextOffset <= this.fetchOffset) {
      this.fail(this.#corrupt(this.fetchOffset, "the broker answered with batches before the offset that was asked for"));
      return { batches: true, endMoved };
    }
    this.#fetched.push(new FetchedBatches(records.subarray(0, scan.bytes), aborted));
    this.bufferedBytes += scan.bytes;
    this.fetchOffset = scan.nextOffset;
    if (scan.lastEpoch >= 0) this.lastEpoch = scan.lastEpoch;
    this.atEnd = scan.nextOffset >= lastStableOffset;
    return { batches: true, endMoved };
  }

  fail(error: RepriseError): void {
    this.error ??= error;
  }

  release(): void {
    this.released = true;
    this.#fetched.length = 0;
    this.bufferedBytes = 0;
  }

  /** @throws RepriseError the partition's error, once everything before it was taken */
  take(): RecordColumns | undefined {
    const from = this.#position;
    let decoded: DecodedRecords | undefined;
    let bytes = noBytes;
    for (let head = this.#fetched[0]; head !== undefined; head = this.#fetched[0]) {
      const batch = head.peek();
      if (batch === undefined) {
        this.#fetched.shift();
        continue;
      }
      // Behind the records everything without records is swallowed too, so that `nextOffset` is where the next ones begin.
      if (decoded !== undefined && head.hasRecords) break;
      try {
        this.#verify(head.bytes, batch);
        if (head.hasRecords && batch.nextOffset > this.#position) {
          bytes = this.#decompress(head.bytes, batch);
          const records = decodeRecords(bytes, batch, this.#position);
          if (records.count > 0) decoded = records;
        }
      } catch (error) {
        // What was decoded before it is handed out first; the next take finds the same batch again.
        if (decoded === undefined) this.#stopAt(batch, error);
        break;
      }
      head.skip();
      this.bufferedBytes -= batch.end - batch.start;
      if (batch.nextOffset > this.#position) this.#position = batch.nextOffset;
    }
    if (decoded === undefined && this.#position === from) {
      if (this.error !== undefined && this.#fetched.length === 0) throw this.error;
      return undefined;
    }
    return { topic: this.topic, partition: this.partition, nextOffset: this.#position, bytes, ...(decoded ?? nothing) };
  }

  #verify(bytes: Buffer, batch: BatchHeader): void {
    if (batch.magic !== 2) {
      throw this.#corrupt(batch.baseOffset, `it is in message format v${batch.magic}, and only v2 (Kafka 0.11 and later) can be read`);
    }
    if (batch.end - batch.start < batchHeaderBytes || crc32c(bytes.subarray(batch.start + checksummedFrom, batch.end)) !== batch.crc) {
      throw this.#corrupt(batch.baseOffset, "its checksum is wrong");
    }
  }

  #decompress(bytes: Buffer, batch: BatchHeader): Buffer {
    const records = bytes.subarray(batch.start + batchHeaderBytes, batch.end);
    try {
      return decompress(batch.codec, records, this.#maxBatchBytes);
    } catch (error) {
      const why = error instanceof TooManyBytes ? `${error.message}, and the bound is ${this.#maxBatchBytes}` : "it can't be decompressed";
      throw this.#corrupt(batch.baseOffset, why, error);
    }
  }

  /** Nothing behind a batch that can't be read is read: a reader never jumps. */
  #stopAt(batch: BatchHeader, error: unknown): void {
    this.error = RepriseError.is(error) ? error : this.#corrupt(batch.baseOffset, "its records can't be decoded", error);
    this.#fetched.length = 0;
    this.bufferedBytes = 0;
  }

  #corrupt(offset: number, why: string, cause?: unknown): RepriseError {
    const { topic, partition } = this;
    return new RepriseError("BATCH_CORRUPT", `The batch at offset ${offset} of ${topic}-${partition} can't be read: ${why}.`, {
      details: { topic, partition, offset },
      ...(cause === undefined ? {} : { cause }),
    });
  }
}
