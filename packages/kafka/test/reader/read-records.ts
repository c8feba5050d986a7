import { type LogReader, type RecordColumns, readHeaders, type TopicPartition } from "@reprise/engine";

export interface ReadRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: { readonly [name: string]: string };
}

/** Columns as objects, for comparing. */
export function recordsOf(columns: RecordColumns): ReadRecord[] {
  const text = (starts: Int32Array, lengths: Int32Array, i: number): string | null => {
    const [start, length] = [starts[i] as number, lengths[i] as number];
    return length < 0 ? null : columns.bytes.toString("latin1", start, start + length);
  };
  return Array.from({ length: columns.count }, (_, i) => ({
    offset: columns.offsets[i] as number,
    timestamp: columns.timestamps[i] as number,
    key: text(columns.keyStarts, columns.keyLengths, i),
    value: text(columns.valueStarts, columns.valueLengths, i),
    headers: { ...readHeaders(columns, i) },
  }));
}

/** Takes until the position is `until` or beyond; rejects with the partition's error. */
export async function readUntil(
  reader: LogReader,
  partition: TopicPartition,
  until: number,
  options: { readonly position?: number; readonly timeoutMs?: number } = {},
): Promise<{ records: ReadRecord[]; nextOffset: number }> {
  const { position = -1, timeoutMs = 30_000 } = options;
  const records: ReadRecord[] = [];
  let nextOffset = position;
  const deadline = performance.now() + timeoutMs;
  while (nextOffset < until) {
    const columns = reader.take(partition);
    if (columns !== undefined) {
      if (columns.topic !== partition.topic || columns.partition !== partition.partition) throw new Error("Columns of another partition.");
      if (columns.nextOffset <= nextOffset) throw new Error(`The position went from ${nextOffset} to ${columns.nextOffset}.`);
      nextOffset = columns.nextOffset;
      for (const record of recordsOf(columns)) records.push(record);
    } else {
      if (performance.now() > deadline)
        throw new Error(
          `${partition.topic}-${partition.partition} did not get to ${until}, only to ${nextOffset} with ${records.length} records.`,
        );
      await reader.wait(100);
    }
  }
  return { records, nextOffset };
}

/** What `take` throws, once everything before it was taken. */
export async function errorOf(reader: LogReader, partition: TopicPartition, timeoutMs = 30_000): Promise<unknown> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      if (reader.take(partition) === undefined) await reader.wait(100);
    } catch (error) {
      return error;
    }
    if (performance.now() > deadline) throw new Error(`${partition.topic}-${partition.partition} has no error.`);
  }
}
