import type { LogReader, RecordColumns } from "@reprise/engine";

/** Everything that was read from the output topic, one entry per record in each column; per partition in the order of the log. */
export interface HourlyColumns {
  readonly airports: string[];
  /** Start of the hour, epoch ms. */
  readonly hours: number[];
  readonly flights: number[];
  readonly delayed: number[];
  readonly delayMinutes: number[];
  readonly meanDelayMinutes: number[];
  readonly maxDelayMinutes: number[];
  /** The record's own timestamp, epoch ms. */
  readonly timestamps: number[];
  readonly partitions: number[];
  readonly offsets: number[];
}

/** A third reader of the output topic: belongs to no deployment, sees what anybody sees who reads `read_committed`. */
export interface Follower {
  /** Grows while the follower runs. */
  readonly rows: HourlyColumns;
  /** Resolves once everything up to the topic's present end was read. @throws what stopped the follower */
  readToEnd(): Promise<void>;
  /** Stops and closes the reader. @throws what stopped the follower before */
  stop(): Promise<void>;
}

export interface FollowerOptions {
  /** The follower closes it. */
  readonly reader: LogReader;
  readonly topic: string;
  readonly partitions: number;
  /** The last stable offsets of the topic as of now, by partition; asked of the brokers, not of the reader. */
  readonly ends: () => Promise<readonly number[]>;
}

const waitMs = 100;

/** Starts reading from the beginning of the topic. */
export function follow(options: FollowerOptions): Follower {
  const { reader, topic, partitions } = options;
  const rows = emptyColumns();
  const positions = Array.from({ length: partitions }, () => 0);
  const airports = new Map<string, string>();
  let stopping = false;
  let failure: { readonly error: unknown } | undefined;
  for (let partition = 0; partition < partitions; partition++) reader.assign({ topic, partition }, 0);
  const loop = (async () => {
    while (!stopping) {
      let taken = false;
      for (let partition = 0; partition < partitions; partition++) {
        const columns = reader.take({ topic, partition });
        if (columns === undefined) continue;
        appendRows(rows, columns, airports);
        positions[partition] = columns.nextOffset;
        taken = true;
      }
      // What is buffered already must not keep everything else of this process waiting.
      await (taken ? new Promise((resolve) => setImmediate(resolve)) : reader.wait(waitMs));
    }
  })().catch((error: unknown) => {
    failure = { error };
  });
  return {
    rows,
    async readToEnd() {
      const ends = await options.ends();
      while (positions.some((position, partition) => position < (ends[partition] ?? 0))) {
        if (failure !== undefined) throw failure.error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    async stop() {
      stopping = true;
      await loop;
      await reader.close();
      if (failure !== undefined) throw failure.error;
    },
  };
}

function emptyColumns(): HourlyColumns {
  return {
    airports: [],
    hours: [],
    flights: [],
    delayed: [],
    delayMinutes: [],
    meanDelayMinutes: [],
    maxDelayMinutes: [],
    timestamps: [],
    partitions: [],
    offsets: [],
  };
}

function appendRows(rows: HourlyColumns, columns: RecordColumns, airports: Map<string, string>): void {
  const { bytes, count, partition } = columns;
  for (let index = 0; index < count; index++) {
    const offset = columns.offsets[index] as number;
    const text = spanOf(bytes, columns.keyStarts[index], columns.keyLengths[index]);
    let airport = airports.get(text);
    if (airport === undefined) airports.set(text, (airport = text));
    const value = JSON.parse(spanOf(bytes, columns.valueStarts[index], columns.valueLengths[index])) as {
      readonly [field: string]: unknown;
    };
    const number = (field: string): number => {
      const found = value[field];
      if (typeof found !== "number")
        throw new Error(`${columns.topic}/${partition}@${offset} has no number ${field}: ${JSON.stringify(value)}`);
      return found;
    };
    rows.airports.push(airport);
    rows.hours.push(number("hour"));
    rows.flights.push(number("flights"));
    rows.delayed.push(number("delayed"));
    rows.delayMinutes.push(number("delayMinutes"));
    rows.meanDelayMinutes.push(number("meanDelayMinutes"));
    rows.maxDelayMinutes.push(number("maxDelayMinutes"));
    rows.timestamps.push(columns.timestamps[index] as number);
    rows.partitions.push(partition);
    rows.offsets.push(offset);
  }
}

/** Null (-1) reads as empty: the JSON parser and the comparison then name it. */
function spanOf(bytes: Buffer, start = 0, length = 0): string {
  return length <= 0 ? "" : bytes.toString("utf8", start, start + length);
}
