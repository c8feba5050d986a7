import type { AbortedTransaction } from "./fetch-response.ts";
import { batchEndAt, type BatchHeader, batchHeaderBytes, int64At, readBatchHeader } from "./record-batch.ts";

const controlAbort = 0;

/** The whole batches at the beginning of what a fetch returned. */
export interface BatchScan {
  /** Bytes up to the end of the last whole batch: the part of a batch behind it is fetched again. */
  readonly bytes: number;
  /** The position after them; undefined when there is none. */
  readonly nextOffset: number | undefined;
  readonly lastEpoch: number;
}

export function scanBatches(records: Buffer): BatchScan {
  let at = 0;
  let nextOffset: number | undefined;
  let lastEpoch = -1;
  for (;;) {
    const end = batchEndAt(records, at);
    if (end === undefined) return { bytes: at, nextOffset, lastEpoch };
    // Message formats before v2 have no last offset delta here; they are refused when they are taken.
    const old = records.readInt8(at + 16) !== 2;
    nextOffset = int64At(records, at) + (old ? 0 : records.readInt32BE(at + 23)) + 1;
    if (!old) lastEpoch = records.readInt32BE(at + 12);
    at = end;
  }
}

/**
 * The batches of one fetch of one partition, with what the broker said about aborted transactions in it. The filter is the one
 * of Java's consumer (`CompletedFetch`): a producer's transactional batches are aborted from the first offset of its aborted
 * transaction until its abort marker.
 */
export class FetchedBatches {
  readonly bytes: Buffer;
  readonly #aborted: readonly AbortedTransaction[];
  readonly #abortedProducers = new Set<number>();
  #nextAborted = 0;
  #at = 0;
  #current: BatchHeader | undefined;
  #hasRecords = false;

  /** `bytes` ends with a whole batch. */
  constructor(bytes: Buffer, aborted: readonly AbortedTransaction[]) {
    this.bytes = bytes;
    this.#aborted = aborted.length < 2 ? aborted : [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** The next batch, without moving on; undefined at the end. */
  peek(): BatchHeader | undefined {
    if (this.#current === undefined) {
      const end = batchEndAt(this.bytes, this.#at);
      if (end === undefined) return undefined;
      this.#current = readBatchHeader(this.bytes, this.#at, end);
      const aborted = this.#isAborted(this.#current);
      this.#hasRecords = !aborted && !this.#current.control && this.#current.count > 0;
    }
    return this.#current;
  }

  /** Whether the batch that was peeked at has records for the reader: no control batch, not aborted, not emptied by compaction. */
  get hasRecords(): boolean {
    return this.#hasRecords;
  }

  /** Moves on to the next batch. */
  skip(): void {
    if (this.#current === undefined) return;
    this.#at = this.#current.end;
    this.#current = undefined;
  }

  /** Once per batch, in order: each batch may begin or end what is aborted. */
  #isAborted(batch: BatchHeader): boolean {
    if (this.#aborted.length === 0 || batch.producerId < 0) return false;
    for (;;) {
      const next = this.#aborted[this.#nextAborted];
      if (next === undefined || next.firstOffset >= batch.nextOffset) break;
      this.#abortedProducers.add(next.producerId);
      this.#nextAborted++;
    }
    if (batch.control) {
      if (this.#isAbortMarker(batch)) this.#abortedProducers.delete(batch.producerId);
      return false;
    }
    return batch.transactional && this.#abortedProducers.has(batch.producerId);
  }

  /** Control batches are never compressed and hold one record, whose key is (version, type), two bytes each. */
  #isAbortMarker(batch: BatchHeader): boolean {
    if (batch.count < 1) return false;
    let at = batch.start + batchHeaderBytes;
    const skipVarint = (): void => {
      while (at < batch.end && (this.bytes[at] as number) > 127) at++;
      at++;
    };
    skipVarint(); // length
    at++; // attributes
    skipVarint(); // timestamp
    skipVarint(); // offset
    skipVarint(); // key length
    return at + 4 <= batch.end && this.bytes.readInt16BE(at + 2) === controlAbort;
  }
}
