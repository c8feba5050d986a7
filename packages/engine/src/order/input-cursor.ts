import { ignore } from "@reprise/processor";
import { RepriseError } from "@reprise/schema";
import type { CompiledInput } from "../definition/compiled-processor.ts";
import type { TypedEvent } from "../definition/event-codec.ts";
import type { LogReader, RecordColumns, TopicPartition } from "../ports/log-reader.ts";
import { positionName } from "../task/position-name.ts";
import { checkAhead, checkEventTime, isEventTime } from "../time/event-time.ts";

/** Where a task stands in one of its input partitions: the record it would take next, decoded once. */
export class InputCursor {
  readonly index: number;
  readonly input: CompiledInput;
  readonly partition: TopicPartition;
  /** One of all partitions of a table, and not the task's own partition of an input. */
  readonly broadcast: boolean;
  /** What its position is kept under. */
  readonly name: string;
  /** Next offset to gather. */
  position: number;
  /** No record at or beyond this offset is taken: the publisher's committed position, or a cut. */
  bound = Number.POSITIVE_INFINITY;
  /** Largest event time so far in this partition; −Infinity before the first record. */
  maxTimeMs = Number.NEGATIVE_INFINITY;
  /** The head record: valid after `advance` returned true. */
  columns: RecordColumns | undefined;
  row = 0;
  /** `ignore`: nobody handles it, but its time counts. */
  value: unknown;
  /** Why the head can't be decoded. */
  fault: unknown;
  timeMs = 0;
  /** What the head says is over; NaN: nothing. */
  watermarkMs = Number.NaN;
  private decoded = false;
  private readonly reader: LogReader;

  constructor(index: number, input: CompiledInput, partition: TopicPartition, position: number, reader: LogReader) {
    this.index = index;
    this.input = input;
    this.partition = partition;
    this.broadcast = input.broadcast;
    this.name = input.broadcast ? positionName(partition.topic, partition.partition) : partition.topic;
    this.position = position;
    this.reader = reader;
  }

  /** Makes the head ready; false when nothing can be taken now. */
  advance(): boolean {
    if (this.decoded) {
      if (this.position < this.bound) return true;
      return false;
    }
    for (;;) {
      if (this.position >= this.bound) return false;
      let columns = this.columns;
      if (columns === undefined) {
        columns = this.reader.take(this.partition);
        if (columns === undefined) return false;
        this.columns = columns;
        this.row = 0;
      }
      while (this.row < columns.count && (columns.offsets[this.row] as number) < this.position) this.row++;
      if (this.row < columns.count) {
        const offset = columns.offsets[this.row] as number;
        if (offset >= this.bound) {
          this.position = this.bound;
          return false;
        }
        this.position = offset;
        this.decode(columns, this.row);
        return true;
      }
      // Beyond control batches and holes; a cut that lies in them is reached exactly (rule e).
      this.position = Math.max(this.position, Math.min(columns.nextOffset, this.bound));
      // What lies between a bound and the end of what was handed out is kept for when the bound moves: the reader does not say it again.
      if (this.position < columns.nextOffset) return false;
      this.columns = undefined;
    }
  }

  /** The largest timestamp so far in the partition if the head were taken: what inputs are merged by. */
  get mergeTimeMs(): number {
    // Always first, whatever it says of time.
    if (this.input.table?.asOf === "latest") return Number.NEGATIVE_INFINITY;
    return this.timeMs > this.maxTimeMs ? this.timeMs : this.maxTimeMs;
  }

  /** The head was taken. */
  consume(): void {
    if (this.timeMs > this.maxTimeMs) this.maxTimeMs = this.timeMs;
    this.position++;
    this.row++;
    this.decoded = false;
    this.value = undefined;
  }

  /** `bound`: it may take no more before the bound moves · `end`: it has everything that is stable · `no`: more is to come. */
  drained(): "bound" | "end" | "no" {
    if (this.position >= this.bound) return "bound";
    const end = this.reader.end(this.partition);
    return end !== undefined && this.columns === undefined && this.position >= end.lastStableOffset ? "end" : "no";
  }

  private decode(columns: RecordColumns, row: number): void {
    const { input } = this;
    this.decoded = true;
    this.fault = undefined;
    this.watermarkMs = Number.NaN;
    const timestampMs = columns.timestamps[row] as number;
    this.timeMs = timestampMs;
    try {
      if (input.kind === "clock") {
        checkEventTime(timestampMs, "the record's timestamp");
        this.value = ignore;
        return;
      }
      if (input.time === undefined && !isEventTime(timestampMs)) checkEventTime(timestampMs, "the record's timestamp");
      const length = columns.valueLengths[row] as number;
      const start = columns.valueStarts[row] as number;
      if ((columns.keyLengths[row] as number) < 0) throw new RepriseError("RECORD_UNDECODABLE", "the record has no key");
      if (length < 0) {
        if (input.kind !== "table") throw new RepriseError("RECORD_UNDECODABLE", "the record has no value");
        this.value = null;
        // Its value would say when: the deletion of a row of March must not move stream time to when it was written.
        if (input.time !== undefined) this.timeMs = this.maxTimeMs;
        return;
      }
      this.value =
        input.events === undefined ? input.value.decode(columns.bytes, start, start + length) : input.events.decode(columns, row);
      if (input.time !== undefined) this.timeMs = checkEventTime(input.time(this.value), "the event time");
      if (input.maxAheadMs !== undefined) checkAhead(this.timeMs, timestampMs, input.maxAheadMs);
      if (input.watermark !== undefined) {
        const watermarkMs = input.watermark(this.value);
        if (watermarkMs !== null) this.watermarkMs = checkEventTime(watermarkMs, "the watermark");
      }
      if (input.ignored?.has((this.value as TypedEvent).type) === true) this.value = ignore;
    } catch (error) {
      this.value = undefined;
      this.fault = error;
      // An event time that can't be known must not move stream time.
      if (input.time !== undefined || !isEventTime(timestampMs)) this.timeMs = this.maxTimeMs;
    }
  }
}
