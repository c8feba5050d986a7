import type { RecordColumns } from "../ports/log-reader.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { InputCursor } from "./input-cursor.ts";

/** A batch takes no further record beyond this: what a step makes of it stays in memory until the commit. */
const maxBatchBytes = 8 * 1024 * 1024;

/** Records of a step, in the order in which they are processed. Filled anew each step; nothing is allocated per record. */
export class RecordBatch {
  size = 0;
  readonly capacity: number;
  /** Keys and values of what is in it. */
  bytes = 0;
  /** How many records it takes now, at most `capacity`. */
  limit: number;
  readonly input: Int32Array;
  readonly row: Int32Array;
  readonly timeMs: Float64Array;
  /** What stream time moves to; another than the record's own time where that runs ahead of other origins. */
  readonly clockMs: Float64Array;
  /** What the record says is over; NaN: nothing. */
  readonly watermarkMs: Float64Array;
  readonly columns: RecordColumns[];
  readonly value: unknown[];
  readonly fault: unknown[];
  readonly entry: (KeyEntry | undefined)[];

  constructor(capacity: number) {
    this.capacity = capacity;
    this.limit = capacity;
    this.input = new Int32Array(capacity);
    this.row = new Int32Array(capacity);
    this.timeMs = new Float64Array(capacity);
    this.clockMs = new Float64Array(capacity);
    this.watermarkMs = new Float64Array(capacity);
    this.columns = new Array<RecordColumns>(capacity);
    this.value = new Array<unknown>(capacity);
    this.fault = new Array<unknown>(capacity);
    this.entry = new Array<KeyEntry | undefined>(capacity);
  }

  get full(): boolean {
    return this.size >= this.limit || this.bytes >= maxBatchBytes;
  }

  clear(): void {
    this.size = 0;
    this.bytes = 0;
  }

  push(cursor: InputCursor): void {
    const i = this.size++;
    const columns = cursor.columns as RecordColumns;
    this.bytes += (columns.keyLengths[cursor.row] as number) + (columns.valueLengths[cursor.row] as number);
    this.input[i] = cursor.index;
    this.row[i] = cursor.row;
    this.timeMs[i] = cursor.timeMs;
    this.clockMs[i] = cursor.clockMs;
    this.watermarkMs[i] = cursor.watermarkMs;
    this.columns[i] = columns;
    this.value[i] = cursor.value;
    this.fault[i] = cursor.fault;
  }
}
