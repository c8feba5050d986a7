import { hash128, hashResult } from "../state/digest.ts";

/**
 * Most that key, value and headers of an output may have together, in bytes: a producer sends messages of at most 1,000,000, some of which are the
 * message's own and our headers. A record that is larger would fail its transaction, and with it the commits of all tasks, again and again.
 */
export const maxRecordBytes = 990_000;

/** One output record of a commit, in the order of emission. */
export interface OutputRecord {
  /** Index into the processor's outputs; the dead-letter topic comes after them. */
  readonly output: number;
  readonly key: Buffer;
  /** null: a deletion (table output). */
  readonly value: Buffer | null;
  /** Stream time at its cause, epoch ms. */
  readonly timestampMs: number;
  /** Index of the input whose record caused it, and that record's offset. */
  readonly causeInput: number;
  readonly causeOffset: number;
  /** `<topic>-<partition>@<offset>` where the record stands for others, if that is not where it was read. */
  readonly cause?: string | undefined;
  /** Dead letters say what and why. */
  readonly headers: readonly { readonly key: string; readonly value: string }[] | undefined;
}

/** Collects outputs until the commit, keeps the rolling hash over all of them in order, and drops them when the task is muted. */
export class OutputBuffer {
  /** Rolling hash over every output since the start, published or not: a function of the position. */
  readonly digest: Uint32Array = new Uint32Array(4);
  count = 0;
  private records: OutputRecord[] = [];
  private settled = 0;
  private scratch: Buffer = Buffer.allocUnsafeSlow(4096);
  bytes = 0;

  add(record: OutputRecord): void {
    this.records.push(record);
  }

  get pending(): number {
    return this.records.length;
  }

  /** Takes back what was added since `savepoint` (a former `pending`); without one: since the last `settle`. */
  undo(savepoint: number = this.settled): void {
    this.records.length = savepoint;
  }

  /** What was added since then can't be undone any more: it enters the hash, and is dropped unless it is to be published. */
  settle(publish: boolean): void {
    for (let i = this.settled; i < this.records.length; i++) {
      const record = this.records[i] as OutputRecord;
      this.hash(record);
      this.count++;
      this.bytes += record.key.length + (record.value?.length ?? 0) + 64;
    }
    if (!publish) this.records.length = this.settled;
    this.settled = this.records.length;
  }

  /** Everything settled and to be published since the last call. */
  take(): OutputRecord[] {
    const taken = this.records;
    this.records = [];
    this.settled = 0;
    this.bytes = 0;
    return taken;
  }

  private hash(record: OutputRecord): void {
    const valueLength = record.value?.length ?? 0;
    const size = 33 + record.key.length + valueLength;
    if (size > this.scratch.length) this.scratch = Buffer.allocUnsafeSlow(size * 2);
    const b = this.scratch;
    for (let i = 0; i < 4; i++) b.writeUInt32LE(this.digest[i] as number, i * 4);
    b.writeDoubleLE(record.timestampMs, 16);
    b[24] = record.output;
    b.writeInt32LE(record.key.length, 25);
    b.writeInt32LE(record.value === null ? -1 : valueLength, 29);
    b.set(record.key, 33);
    if (record.value !== null) b.set(record.value, 33 + record.key.length);
    hash128(b, 0, size, 0);
    this.digest.set(hashResult);
  }
}
