import { type LogReader, type PartitionEnd, type RecordColumns, readHeaders, type TopicPartition } from "@reprise/engine";
import { type Admin, createPlainReader } from "@reprise/kafka";

export interface LoggedRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestampMs: number;
  readonly offset: number;
  readonly headers: { readonly [name: string]: string };
}

const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}/${partition}`;

/** What a read_committed reader that shares no code with the workers' found on topics, offsets and holes included: to judge by, and to run a task over. */
export class KafkaLog {
  /** By topic, then partition: in order. */
  readonly #columns = new Map<string, RecordColumns[]>();
  readonly #ends = new Map<string, number>();
  readonly #partitions = new Map<string, number>();

  /** Up to the ends that are asked for first. */
  static async read(bootstrap: string, admin: Admin, topics: readonly string[]): Promise<KafkaLog> {
    const log = new KafkaLog();
    const behind = new Map<string, TopicPartition>();
    const reader = await createPlainReader({ bootstrap });
    try {
      for (const topic of topics) {
        const ends = await admin.endOffsets(topic);
        log.#partitions.set(topic, ends.length);
        for (const [partition, end] of ends.entries()) {
          const place = { topic, partition };
          log.#ends.set(nameOf(place), end);
          log.#columns.set(nameOf(place), []);
          if (end > 0) behind.set(nameOf(place), place);
          reader.assign(place, 0);
        }
      }
      while (behind.size > 0) {
        await reader.wait(100);
        for (const [name, place] of behind) {
          for (let columns = reader.take(place); columns !== undefined; columns = reader.take(place)) {
            const end = log.#ends.get(name) ?? 0;
            // A fetch may bring more than there was.
            log.#columns.get(name)?.push(between(columns, 0, end));
            if (columns.nextOffset >= end) behind.delete(name);
          }
        }
      }
      return log;
    } finally {
      await reader.close();
    }
  }

  partitions(topic: string): number {
    return this.#partitions.get(topic) ?? 0;
  }

  *records(topic: string, partition: number): Generator<LoggedRecord> {
    for (const columns of this.#columns.get(nameOf({ topic, partition })) ?? []) {
      const text = (starts: Int32Array, lengths: Int32Array, i: number): string | null =>
        (lengths[i] as number) < 0
          ? null
          : columns.bytes.toString("utf8", starts[i] as number, (starts[i] as number) + (lengths[i] as number));
      for (let i = 0; i < columns.count; i++) {
        yield {
          key: text(columns.keyStarts, columns.keyLengths, i),
          value: text(columns.valueStarts, columns.valueLengths, i),
          timestampMs: columns.timestamps[i] as number,
          offset: columns.offsets[i] as number,
          headers: { ...readHeaders(columns, i) },
        };
      }
    }
  }

  /** Per partition, in order. */
  texts(topic: string): string[][] {
    return Array.from({ length: this.partitions(topic) }, (_, partition) =>
      [...this.records(topic, partition)].map(({ key, value, timestampMs }) => `${key} ${value} ${timestampMs}`),
    );
  }

  /** Of what was read: the offset behind it. */
  end(place: TopicPartition): number {
    return this.#ends.get(nameOf(place)) ?? 0;
  }

  /** Hands out everything below `endOf` as fast as it is taken. */
  reader(endOf: (place: TopicPartition) => number): LogReader {
    const positions = new Map<string, number>();
    return {
      assign: (place, offset) => void positions.set(nameOf(place), offset),
      unassign: (place) => void positions.delete(nameOf(place)),
      take: (place) => {
        const from = positions.get(nameOf(place));
        const end = endOf(place);
        if (from === undefined || from >= end) return undefined;
        const columns = this.#columns.get(nameOf(place))?.find(({ nextOffset }) => nextOffset > from);
        if (columns === undefined) throw new Error(`${nameOf(place)} was not read up to ${end}`);
        const part = between(columns, from, end);
        positions.set(nameOf(place), part.nextOffset);
        return part;
      },
      end: (place): PartitionEnd => ({ lastStableOffset: endOf(place), highWatermark: endOf(place), logStartOffset: 0 }),
      wait: async () => undefined,
      close: async () => undefined,
    };
  }
}

/** The records of from ≤ offset < end. */
function between(columns: RecordColumns, from: number, end: number): RecordColumns {
  const { offsets } = columns;
  let first = 0;
  while (first < columns.count && (offsets[first] as number) < from) first++;
  let last = columns.count;
  while (last > first && (offsets[last - 1] as number) >= end) last--;
  return {
    ...columns,
    count: last - first,
    nextOffset: Math.min(columns.nextOffset, end),
    offsets: offsets.subarray(first),
    timestamps: columns.timestamps.subarray(first),
    keyStarts: columns.keyStarts.subarray(first),
    keyLengths: columns.keyLengths.subarray(first),
    valueStarts: columns.valueStarts.subarray(first),
    valueLengths: columns.valueLengths.subarray(first),
    headerStarts: columns.headerStarts.subarray(first),
  };
}
