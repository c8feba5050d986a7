import {
  type CompiledProcessor,
  compileProcessor,
  newTaskMeta,
  type OutputRecord,
  Task,
  type TaskMeta,
  type TaskOptions,
} from "@reprise/engine";
import { definitionOf } from "@reprise/processor";
import type { LogReader, PartitionEnd, RecordColumns, RecordHeader, TopicPartition } from "@reprise/engine";
import { MemoryStore } from "./memory-store.ts";

export interface LogRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  readonly headers?: readonly RecordHeader[];
  /** Default: one more than the record before. */
  readonly offset?: number;
}

/** A record's columns over one buffer, as a reader hands them out. */
export function columnsOf(
  topic: string,
  partition: number,
  records: readonly (LogRecord & { offset: number })[],
  nextOffset: number,
): RecordColumns {
  const count = records.length;
  const parts: Buffer[] = [Buffer.of(0)];
  const columns = {
    offsets: new Float64Array(count),
    timestamps: new Float64Array(count),
    keyStarts: new Int32Array(count),
    keyLengths: new Int32Array(count),
    valueStarts: new Int32Array(count),
    valueLengths: new Int32Array(count),
    // Byte 0 of the buffer is a header count of none.
    headerStarts: new Int32Array(count),
  };
  let at = 1;
  records.forEach(({ key, value, timestampMs, offset, headers = [] }, i) => {
    columns.offsets[i] = offset;
    columns.timestamps[i] = timestampMs;
    columns.keyStarts[i] = at;
    columns.keyLengths[i] = key === null ? -1 : key.length;
    if (key !== null) parts.push(key);
    at += key?.length ?? 0;
    columns.valueStarts[i] = at;
    columns.valueLengths[i] = value === null ? -1 : value.length;
    if (value !== null) parts.push(value);
    at += value?.length ?? 0;
    if (headers.length === 0) return;
    const encoded = encodeHeaders(headers);
    columns.headerStarts[i] = at;
    parts.push(encoded);
    at += encoded.length;
  });
  return { topic, partition, count, nextOffset, bytes: Buffer.concat(parts), ...columns };
}

/** As Kafka has them: a varint count, then name and value of each, with their lengths. */
function encodeHeaders(headers: readonly RecordHeader[]): Buffer {
  const texts = headers.flatMap(({ key, value }) => [Buffer.from(key), Buffer.from(value)]);
  return Buffer.concat([varint(headers.length), ...texts.flatMap((text) => [varint(text.length), text])]);
}

function varint(n: number): Buffer {
  const bytes: number[] = [];
  let rest = n * 2;
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128);
  return Buffer.of(...bytes, rest);
}

/** One partition of each topic, with holes where offsets are left out; hands out what is visible in columns of a bounded size. */
export class MemoryReader implements LogReader {
  readonly logs = new Map<string, (LogRecord & { offset: number })[]>();
  /** End of the log by topic, beyond holes and markers; default: one beyond the last record. */
  readonly ends = new Map<string, number>();
  readonly errors = new Map<string, unknown>();
  columnRecords = 1000;
  private readonly positions = new Map<string, number>();

  append(topic: string, record: LogRecord): void {
    const log = this.logs.get(topic) ?? [];
    this.logs.set(topic, log);
    log.push({ ...record, offset: record.offset ?? (log.at(-1)?.offset ?? -1) + 1 });
  }

  endOf(topic: string): number {
    return this.ends.get(topic) ?? (this.logs.get(topic)?.at(-1)?.offset ?? -1) + 1;
  }

  assign({ topic }: TopicPartition, offset: number): void {
    this.positions.set(topic, offset);
  }

  unassign({ topic }: TopicPartition): void {
    this.positions.delete(topic);
  }

  take({ topic, partition }: TopicPartition): RecordColumns | undefined {
    const from = this.positions.get(topic);
    if (from === undefined) return undefined;
    const end = this.endOf(topic);
    const records = (this.logs.get(topic) ?? []).filter(({ offset }) => offset >= from && offset < end).slice(0, this.columnRecords);
    const last = records.at(-1);
    const next = (this.logs.get(topic) ?? []).find(({ offset }) => offset >= (last === undefined ? from : last.offset + 1))?.offset;
    const to = Math.min(end, last === undefined || next === undefined ? end : next);
    if (to <= from) {
      const error = this.errors.get(topic);
      if (error !== undefined) throw error as Error;
      return undefined;
    }
    this.positions.set(topic, to);
    return columnsOf(topic, partition, records, to);
  }

  end({ topic }: TopicPartition): PartitionEnd {
    const end = this.endOf(topic);
    return { lastStableOffset: end, highWatermark: end, logStartOffset: 0 };
  }

  async wait(): Promise<void> {}

  async close(): Promise<void> {}
}

export const newMeta = (): TaskMeta => newTaskMeta("test", 0, "live");

export const compiled = (processor: unknown, params: unknown = {}): CompiledProcessor => compileProcessor(definitionOf(processor), params);

/** A task over a memory log and store, with its commits. */
export class TaskRun {
  readonly processor: CompiledProcessor;
  readonly reader: MemoryReader;
  readonly store: MemoryStore;
  task: Task;
  readonly outputs: OutputRecord[] = [];
  private readonly overrides: Partial<TaskOptions>;

  constructor(processor: unknown, reader: MemoryReader, overrides: Partial<TaskOptions> = {}, store: MemoryStore = new MemoryStore()) {
    this.processor = compiled(processor);
    this.reader = reader;
    this.store = store;
    this.overrides = overrides;
    this.task = this.newTask(newMeta(), true);
  }

  private newTask(meta: TaskMeta, storeIsEmpty: boolean): Task {
    const task = new Task({
      processor: this.processor,
      deployment: "test",
      partition: 0,
      store: this.store,
      reader: this.reader,
      meta,
      storeIsEmpty,
      hooks: { nowMs: () => Number.MAX_SAFE_INTEGER, log() {}, count() {} },
      ...this.overrides,
    });
    task.publishing = true;
    for (const cursor of task.cursors) this.reader.assign(cursor.partition, cursor.position);
    return task;
  }

  async drain(batchesPerCommit = 1): Promise<this> {
    for (let n = 1; (await this.task.step()) > 0; n++) if (n % batchesPerCommit === 0) this.commit();
    this.commit();
    return this;
  }

  commit(): void {
    const { outputs } = this.task.prepare("live", this.task.meta.n + 1, 0);
    this.task.decided();
    for (const output of outputs) this.outputs.push(output);
  }

  /** A restart from the local store, as it is after a flush. */
  async restart(): Promise<void> {
    await this.task.flush();
    this.task = this.newTask(this.task.meta, false);
    await this.task.restoreQueue();
  }
}
