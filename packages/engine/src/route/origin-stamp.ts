import { RepriseError } from "@reprise/schema";
import type { RecordColumns } from "../ports/log-reader.ts";
import type { RecordHeader } from "../ports/transactional-writer.ts";
import { readHeaders } from "../task/record-headers.ts";

/** First header of a record that was routed: `<partition> <offset> <index> <stream time>[ <timestamp>]`, all of its source; the timestamp if Kafka can't have it. */
const originHeader = "reprise-origin";
/** Only header of a marker: `<partition> <position> <stream time> <0 | 1: idle>`. */
const progressHeader = "reprise-progress";
/** Ends of all partitions of the source, as seen when the commit was made that the record is the first of in its partition. */
const endsHeader = "reprise-ends";
/** Why a record could not be routed: `by` failed. It goes to the next stage all the same, where the policy for it is. */
const faultHeader = "reprise-fault";

const internal: ReadonlySet<string> = new Set([originHeader, progressHeader, endsHeader, faultHeader]);

/** Kafka's producer writes a timestamp of 0 or less as another one. */
const earliestKafkaMs = 1;

export function originOf(partition: number, offset: number, index: number, streamTimeMs: number, timestampMs: number): RecordHeader {
  const own = timestampMs < earliestKafkaMs ? ` ${timestampMs}` : "";
  return { key: originHeader, value: `${partition} ${offset} ${index} ${streamTimeMs}${own}` };
}

export function progressOf(partition: number, position: number, streamTimeMs: number, idle: boolean): RecordHeader {
  return { key: progressHeader, value: `${partition} ${position} ${streamTimeMs} ${idle ? 1 : 0}` };
}

export function endsOf(ends: readonly number[]): RecordHeader {
  return { key: endsHeader, value: ends.join(" ") };
}

export function faultOf(reason: string): RecordHeader {
  return { key: faultHeader, value: reason };
}

/** A record's headers as its source had them. */
export function sourceHeaders(columns: RecordColumns, i: number): { readonly [name: string]: string } {
  const all = readHeaders(columns, i);
  const own = Object.create(null) as { [name: string]: string };
  for (const [name, value] of Object.entries(all)) if (!internal.has(name)) own[name] = value;
  return own;
}

/** Why `by` failed. Only for records that a stamp was read of. */
export function routingFault(columns: RecordColumns, i: number): string | undefined {
  return readHeaders(columns, i)[faultHeader];
}

/** `by` failed for this record: the policy for handlers decides. */
export class RoutingFault extends Error {
  override readonly name = "RoutingFault";
}

/** What a record of an internal topic says of where it comes from. Filled anew for each record. */
export class OriginStamp {
  /** A marker carries no record: its origin has been routed up to `offset`. */
  marker = false;
  /** Of the source. */
  partition = 0;
  /** Of the source: the record's; of a marker the next one to be routed. */
  offset = 0;
  /** Which of several records that one was routed as; −1: a marker. */
  index = 0;
  /** Largest event time in the partition of the source so far; −Infinity: there was none. */
  timeMs = 0;
  /** Of a marker: there was nothing more to route, for long enough to go on without. */
  idle = false;
  /** Of the source's record; NaN: as Kafka has it. */
  timestampMs = Number.NaN;
  /** Next offsets of all partitions of the source, as far as somebody has seen; undefined: it says nothing of them. */
  ends: readonly number[] | undefined;
  /** `routingFault` says why it could not be routed. */
  faulty = false;
  private bytes: Buffer = Buffer.alloc(0);
  private at = 0;

  /**
   * @param origins partitions of the source
   * @throws RepriseError RECORD_UNDECODABLE when the record was not written by a route of that source
   */
  read(columns: RecordColumns, i: number, origins: number): void {
    this.bytes = columns.bytes;
    this.at = columns.headerStarts[i] as number;
    const headers = this.varint();
    if (headers < 1) throw foreign(columns, i);
    const length = this.varint();
    this.marker = length === progressHeader.length;
    if (!this.marker && length !== originHeader.length) throw foreign(columns, i);
    // Both have names of their own length, and nobody else writes here.
    this.at += length;
    const end = this.varint() + this.at;
    if (end > this.bytes.length) throw foreign(columns, i);
    this.partition = this.number(end);
    this.offset = this.number(end);
    this.index = this.marker ? -1 : this.number(end);
    this.timeMs = this.number(end);
    this.idle = this.marker && this.number(end) === 1;
    this.timestampMs = this.marker || this.at >= end ? Number.NaN : this.number(end);
    this.at = end;
    this.readFurther(headers - 1);
    if (!(this.partition >= 0 && this.partition < origins) || Number.isNaN(this.offset) || Number.isNaN(this.timeMs))
      throw foreign(columns, i);
  }

  /** What of ours may follow: ends, then a fault. What the source's record had comes after them. */
  private readFurther(headers: number): void {
    this.ends = undefined;
    this.faulty = false;
    if (headers === 0) return;
    let length = this.varint();
    if (length === endsHeader.length && this.names(endsHeader)) {
      this.at += length;
      const end = this.varint() + this.at;
      this.ends = this.bytes.toString("latin1", this.at, end).split(" ").map(Number);
      this.at = end;
      if (headers === 1) return;
      length = this.varint();
    }
    this.faulty = length === faultHeader.length && this.names(faultHeader);
  }

  private names(header: string): boolean {
    return this.bytes.toString("latin1", this.at, this.at + header.length) === header;
  }

  private varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++];
      if (byte === undefined || shift > 28) return -1;
      value |= (byte & 127) << shift;
      if (byte < 128) return (value >>> 1) ^ -(value & 1);
    }
  }

  /** The next number, and beyond the space after it. */
  private number(end: number): number {
    const { bytes } = this;
    const start = this.at;
    let value = 0;
    let plain = true;
    let at = start;
    for (; at < end && bytes[at] !== 0x20; at++) {
      const digit = (bytes[at] as number) - 0x30;
      if (digit < 0 || digit > 9) plain = false;
      value = value * 10 + digit;
    }
    this.at = at + 1;
    if (at === start) return Number.NaN;
    return plain ? value : Number(bytes.toString("latin1", start, at));
  }
}

function foreign(columns: RecordColumns, i: number): RepriseError {
  return new RepriseError(
    "RECORD_UNDECODABLE",
    `the record ${columns.topic}-${columns.partition}@${columns.offsets[i]} was not written by Reprise, which this topic is for`,
  );
}
