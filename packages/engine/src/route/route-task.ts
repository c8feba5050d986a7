import { ignore } from "@reprise/processor";
import type { CompiledRoute } from "../definition/compiled-processor.ts";
import { partitionForKey } from "../murmur2.ts";
import { InputCursor } from "../order/input-cursor.ts";
import { maxRecordBytes } from "../output/output-buffer.ts";
import type { LogReader, RecordColumns } from "../ports/log-reader.ts";
import type { RecordHeader } from "../ports/transactional-writer.ts";
import { headersEnd, readHeaders } from "../task/record-headers.ts";
import { faultOf, originOf, progressOf } from "./origin-stamp.ts";

/** A record for an internal topic. */
export interface RoutedRecord {
  readonly partition: number;
  /** null with the value: a marker. */
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Of the source's record, epoch ms. */
  readonly timestampMs: number;
  readonly headers: RecordHeader[];
}

export interface RouteTaskOptions {
  readonly route: CompiledRoute;
  /** Of the source. */
  readonly partition: number;
  /** Partitions of the internal topic. */
  readonly targets: number;
  readonly reader: LogReader;
  /** Next offset of the source. */
  readonly position: number;
  /** Largest event time below it; −Infinity: none. */
  readonly timeMs: number;
}

/**
 * Routes one partition of a source to its records' new keys, without any state of a user's: what it writes is a function of the log, and of when it
 * was told that there is nothing more. What can't be routed goes on all the same, under its old key: the next stage has the policies, and only there
 * is known whether their dead letters are public.
 */
export class RouteTask {
  readonly partition: number;
  /** What waits for the commit, in order. */
  readonly records: RoutedRecord[] = [];
  bytes = 0;
  private readonly route: CompiledRoute;
  private readonly cursor: InputCursor;
  private readonly targets: number;
  private idle = false;
  private committed: number;
  /** What the internal topic was told last; undefined: nothing by this task. */
  private told: { readonly position: number; readonly idle: boolean } | undefined;

  constructor({ route, partition, targets, reader, position, timeMs }: RouteTaskOptions) {
    this.route = route;
    this.partition = partition;
    this.cursor = new InputCursor(0, route.source, { topic: route.source.topic, partition }, position, reader);
    this.cursor.maxTimeMs = timeMs;
    this.targets = targets;
    this.committed = position;
  }

  /** Next offset to route. */
  get position(): number {
    return this.cursor.position;
  }

  /** Largest event time below the position; −Infinity before the first. */
  get timeMs(): number {
    return this.cursor.maxTimeMs;
  }

  /** `ready`: a record can be routed now · `end`: there is none · `later`: more is there, and not here yet. */
  look(): "ready" | "end" | "later" {
    if (this.cursor.advance()) return "ready";
    return this.cursor.drained() === "no" ? "later" : "end";
  }

  /** Routes at most `most` records; returns how many. */
  step(most: number): number {
    const { cursor } = this;
    let n = 0;
    for (; n < most && cursor.advance(); n++) {
      this.idle = false;
      const columns = cursor.columns as RecordColumns;
      const { row, value, fault, position: offset } = cursor;
      cursor.consume();
      if (fault !== undefined) this.forward(columns, row, offset, undefined);
      else if (value !== ignore) this.routeRecord(columns, row, offset, value);
    }
    return n;
  }

  /** There has been nothing more for so long that others need not wait; until the next record. */
  goIdle(): void {
    this.idle = true;
  }

  /** A commit would say something new. */
  get hasNews(): boolean {
    return this.position !== this.committed || this.told?.position !== this.position || this.told.idle !== this.idle;
  }

  /** Ends what is to be committed with how far it is, for each partition of the internal topic. */
  prepare(): void {
    const { position, timeMs, idle } = this;
    for (let partition = 0; partition < this.targets; partition++) {
      const headers = [progressOf(this.partition, position, timeMs, idle)];
      this.records.push({ partition, key: null, value: null, timestampMs: Math.max(1, timeMs), headers });
    }
    this.told = { position, idle };
  }

  /** What was prepared is in Kafka. */
  decided(): void {
    this.committed = this.position;
    this.records.length = 0;
    this.bytes = 0;
  }

  private routeRecord(columns: RecordColumns, row: number, offset: number, value: unknown): void {
    const { by, key, name } = this.route;
    let keys: readonly Buffer[];
    try {
      const wanted = by(value);
      keys = wanted === null ? [] : (Array.isArray(wanted) ? (wanted as unknown[]) : [wanted]).map((one) => key.encode(one));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.forward(columns, row, offset, `by of rekey ${name}: ${reason}`);
      return;
    }
    const bytes = valueOf(columns, row);
    const rest = (bytes?.length ?? 0) + headersLength(columns, row);
    const tooLarge = keys.find((one) => one.length + rest > maxRecordBytes);
    if (tooLarge !== undefined) {
      this.forward(
        columns,
        row,
        offset,
        `rekey ${name}: under its new key the record is larger than the ${maxRecordBytes} that may be sent`,
      );
      return;
    }
    for (const [index, one] of keys.entries())
      this.add(partitionForKey(one, this.targets), one, bytes, columns, row, this.stamp(columns, row, offset, index));
  }

  /** To where it is judged: as it is, and with the reason if the next stage can't see that for itself. */
  private forward(columns: RecordColumns, row: number, offset: number, reason: string | undefined): void {
    const length = columns.keyLengths[row] as number;
    const start = columns.keyStarts[row] as number;
    let key = length < 0 ? Buffer.alloc(0) : columns.bytes.subarray(start, start + length);
    let value = valueOf(columns, row);
    // What a message can't hold is left out: the reason says where it stands.
    const whole = key.length + (value?.length ?? 0) + headersLength(columns, row) <= maxRecordBytes;
    if (!whole) [key, value] = [Buffer.alloc(0), null];
    const headers = this.stamp(columns, row, offset, 0);
    if (reason !== undefined) headers.push(faultOf(reason.slice(0, maxReasonLength)));
    this.add(this.partition % this.targets, key, value, columns, row, headers, whole);
  }

  private stamp(columns: RecordColumns, row: number, offset: number, index: number): RecordHeader[] {
    return [originOf(this.partition, offset, index, this.timeMs, columns.timestamps[row] as number)];
  }

  private add(
    target: number,
    key: Buffer,
    value: Buffer | null,
    columns: RecordColumns,
    row: number,
    headers: RecordHeader[],
    withHeaders = true,
  ): void {
    if (withHeaders && hasHeaders(columns, row))
      for (const [name, text] of Object.entries(readHeaders(columns, row))) headers.push({ key: name, value: text });
    this.records.push({ partition: target, key, value, timestampMs: Math.max(1, columns.timestamps[row] as number), headers });
    this.bytes += key.length + (value?.length ?? 0) + 100;
  }
}

const maxReasonLength = 1000;

/** Most records have none: a count of 0. */
function hasHeaders({ bytes, headerStarts }: RecordColumns, row: number): boolean {
  return bytes[headerStarts[row] as number] !== 0;
}

/** In bytes, as they stand in the log. */
function headersLength(columns: RecordColumns, row: number): number {
  return hasHeaders(columns, row) ? headersEnd(columns, row) - (columns.headerStarts[row] as number) : 0;
}

function valueOf(columns: RecordColumns, row: number): Buffer | null {
  const length = columns.valueLengths[row] as number;
  const start = columns.valueStarts[row] as number;
  return length < 0 ? null : columns.bytes.subarray(start, start + length);
}
