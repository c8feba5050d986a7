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
            log.#columns.get(name)?.push(columns);
            if (columns.nextOffset >= (log.#ends.get(name) ?? 0)) behind.delete(name);
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

  /** Hands out everything as fast as it is taken. */
  reader(): LogReader {
    const positions = new Map<string, number>();
    return {
      assign: (place, offset) => void positions.set(nameOf(place), offset),
      unassign: (place) => void positions.delete(nameOf(place)),
      take: (place) => {
        const from = positions.get(nameOf(place));
        const columns = from === undefined ? undefined : this.#columns.get(nameOf(place))?.find(({ nextOffset }) => nextOffset > from);
        if (columns === undefined || from === undefined) return undefined;
        positions.set(nameOf(place), columns.nextOffset);
        return columnsFrom(columns, from);
      },
      end: (place): PartitionEnd => {
        const end = this.#ends.get(nameOf(place)) ?? 0;
        return { lastStableOffset: end, highWatermark: end, logStartOffset: 0 };
      },
      wait: async () => undefined,
      close: async () => undefined,
    };
  }
}

/** Without the records below an offset: a task that is opened anew begins in the middle. */
function columnsFrom(columns: RecordColumns, offset: number): RecordColumns {
  let skipped = 0;
  while (skipped < columns.count && (columns.offsets[skipped] as number) < offset) skipped++;
  if (skipped === 0) return columns;
  return {
    ...columns,
    count: columns.count - skipped,
    offsets: columns.offsets.subarray(skipped),
    timestamps: columns.timestamps.subarray(skipped),
    keyStarts: columns.keyStarts.subarray(skipped),
    keyLengths: columns.keyLengths.subarray(skipped),
    valueStarts: columns.valueStarts.subarray(skipped),
    valueLengths: columns.valueLengths.subarray(skipped),
    headerStarts: columns.headerStarts.subarray(skipped),
  };
}
