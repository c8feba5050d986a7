import { ignore } from "@reprise/processor";
import { RepriseError } from "@reprise/schema";
import type { CompiledInput } from "../definition/compiled-processor.ts";
import type { TypedEvent } from "../definition/event-codec.ts";
import { OriginProgress } from "../route/origin-progress.ts";
import { OriginStamp, RoutingFault, routingFault } from "../route/origin-stamp.ts";
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
  /** What the head moves stream time to: its event time; with origins, that of the one that is furthest behind. */
  clockMs = 0;
  /** What the head says is over; NaN: nothing. */
  watermarkMs = Number.NaN;
  /** Of a rekeyed input: how far it was filled. */
  readonly origins: OriginProgress | undefined;
  private readonly stamp: OriginStamp | undefined;
  /** The head's stamp counts when it is taken. */
  private stamped = false;
  private decoded = false;
  private readonly reader: LogReader;

  /** @param origins partitions of the source, of a rekeyed input */
  constructor(index: number, input: CompiledInput, partition: TopicPartition, position: number, reader: LogReader, origins?: number) {
    this.origins = origins === undefined ? undefined : new OriginProgress(origins);
    this.stamp = origins === undefined ? undefined : new OriginStamp();
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
    return this.clockMs > this.maxTimeMs ? this.clockMs : this.maxTimeMs;
  }

  /** The head was taken. */
  consume(): void {
    if (this.clockMs > this.maxTimeMs) this.maxTimeMs = this.clockMs;
    if (this.stamped) this.origins?.take(this.stamp as OriginStamp);
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

  /** A record that was taken before is taken again, after its cursor went back: see `Task.stopAt`. */
  retake(columns: RecordColumns, row: number, clockMs: number): void {
    if (clockMs > this.maxTimeMs) this.maxTimeMs = clockMs;
    const { origins, stamp } = this;
    if (origins !== undefined && stamp !== undefined && this.readStamp(origins, stamp, columns, row)) origins.take(stamp);
  }

  private decode(columns: RecordColumns, row: number): void {
    this.decoded = true;
    this.fault = undefined;
    this.watermarkMs = Number.NaN;
    const { origins, stamp } = this;
    if (origins !== undefined && stamp !== undefined) this.decodeRouted(origins, stamp, columns, row);
    else {
      this.decodeRecord(columns, row, columns.timestamps[row] as number);
      this.clockMs = this.timeMs;
    }
  }

  private decodeRouted(origins: OriginProgress, stamp: OriginStamp, columns: RecordColumns, row: number): void {
    // Markers, and what is there a second time, are nothing to handle.
    this.value = ignore;
    this.timeMs = this.maxTimeMs;
    this.clockMs = this.maxTimeMs;
    this.stamped = this.readStamp(origins, stamp, columns, row);
    if (!this.stamped) return;
    this.clockMs = origins.timeAfter(stamp);
    if (stamp.marker) return;
    const reason = stamp.faulty ? routingFault(columns, row) : undefined;
    if (reason === undefined)
      this.decodeRecord(columns, row, Number.isNaN(stamp.timestampMs) ? (columns.timestamps[row] as number) : stamp.timestampMs);
    else {
      this.value = undefined;
      this.fault = new RoutingFault(reason);
    }
  }

  /** False: it changes nothing, because it is not new, or because it says nothing (then there is a fault). */
  private readStamp(origins: OriginProgress, stamp: OriginStamp, columns: RecordColumns, row: number): boolean {
    try {
      stamp.read(columns, row, origins.size);
    } catch (error) {
      this.value = undefined;
      this.fault = error;
      return false;
    }
    return origins.isNew(stamp);
  }

  private decodeRecord(columns: RecordColumns, row: number, timestampMs: number): void {
    const { input } = this;
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
      if ((columns.keyLengths[row] as number) < 0 && !input.keyless) throw new RepriseError("RECORD_UNDECODABLE", "the record has no key");
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
