import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { DuckDBInstance, type DuckDBConnection } from "@duckdb/node-api";
import { partitionForKey } from "@reprise/engine";

/** A place that flights start or end at, and the partition that its records are in when it is an origin. */
export interface Airport {
  readonly name: string;
  readonly partition: number;
}

/** Flights as columns, in the order in which they were reported; `origin` and `destination` index `FlightLog.airports`. */
export interface FlightChunk {
  readonly count: number;
  readonly origins: Int32Array;
  readonly destinations: Int32Array;
  /** Epoch ms. */
  readonly departures: Float64Array;
  readonly delayMinutes: Int32Array;
}

/**
 * The flights as a log: every flight at its place in the order of reports, with the partition and offset that its record has in a topic
 * that was loaded from empty. Held in DuckDB, so that the loader can stream it and the model can query it.
 */
export interface FlightLog {
  readonly connection: DuckDBConnection;
  readonly records: number;
  readonly partitions: number;
  readonly airports: readonly Airport[];
  /** Records per partition among the first `records`. */
  partitionCounts(records: number): Promise<number[]>;
  /** Flights `from` (inclusive) to `to` (exclusive), streamed in chunks of at most 2,048. */
  chunks(from: number, to: number): AsyncGenerator<FlightChunk, void, undefined>;
  close(): void;
}

export interface FlightLogOptions {
  readonly partitions: number;
  /** Only the first so many flights; default all. */
  readonly records?: number;
}

/** Three million flights within the USA in the first half of 2001, as the npm package `vega-datasets` ships them. */
export function flightsFile(): string {
  const require = createRequire(import.meta.url);
  const file = join(dirname(require.resolve("vega-datasets")), "..", "data", "flights-3m.parquet");
  if (!existsSync(file)) throw new Error(`the flights are missing: ${file} (npm package vega-datasets)`);
  return file;
}

/**
 * Reads the file and puts its flights in the order of their reports: a flight is reported when it is over, at departure + delay. Reports
 * of the same minute keep the order of the file, so the log is the same in every run. Takes about 2 s for all flights.
 */
export async function openFlightLog(options: FlightLogOptions): Promise<FlightLog> {
  const instance = await DuckDBInstance.create(":memory:", { threads: "2", memory_limit: "1GB" });
  const connection = await instance.connect();
  const { partitions } = options;
  const file = flightsFile().replaceAll("'", "''");
  const airports = await placeAirports(connection, file, partitions);
  await connection.run(`
    create table flight as
    select idx, partition, row_number() over (partition by partition order by idx) - 1 as position, origin, destination, departure, delay
    from (
      select row_number() over (order by f.date + to_minutes(f.delay), f.file_row_number) - 1 as idx, o.partition,
        o.id as origin, d.id as destination, epoch_ms(f.date) as departure, f.delay::integer as delay
      from read_parquet('${file}', file_row_number = true) f
      join airport o on o.name = f.origin join airport d on d.name = f.destination
    )
    where idx < ${options.records ?? Number.MAX_SAFE_INTEGER}
    order by idx`);
  const records = Number((await connection.runAndReadAll("select count(*)::double from flight")).getRows()[0]?.[0]);
  return {
    connection,
    records,
    partitions,
    airports,
    async partitionCounts(among) {
      const counts = Array.from({ length: partitions }, () => 0);
      const rows = await connection.runAndReadAll(`select partition, count(*)::double from flight where idx < ${among} group by 1`);
      for (const [partition, count] of rows.getRows()) counts[Number(partition)] = Number(count);
      return counts;
    },
    chunks: (from, to) => streamFlights(instance, from, to),
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/** Where a producer of Java's kind puts the records of each airport: the only thing that the model does not take from the file. */
async function placeAirports(connection: DuckDBConnection, file: string, partitions: number): Promise<Airport[]> {
  const names = await connection.runAndReadAll(
    `select distinct unnest([origin, destination]) as name from read_parquet('${file}') order by name`,
  );
  const airports = names
    .getRows()
    .map(([name]) => ({ name: String(name), partition: partitionForKey(Buffer.from(String(name)), partitions) }));
  await connection.run("create table airport (id integer, name varchar, partition integer)");
  const appender = await connection.createAppender("airport");
  for (const [id, { name, partition }] of airports.entries()) {
    appender.appendInteger(id);
    appender.appendVarchar(name);
    appender.appendInteger(partition);
    appender.endRow();
  }
  appender.closeSync();
  return airports;
}

async function* streamFlights(instance: DuckDBInstance, from: number, to: number): AsyncGenerator<FlightChunk, void, undefined> {
  // A connection of its own: the next query on a connection silently ends the stream of the one before.
  const connection = await instance.connect();
  try {
    const result = await connection.stream(
      `select idx::integer, origin, destination, departure::double, delay from flight where idx >= ${from} and idx < ${to}`,
    );
    let next = from;
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) break;
      const column = (index: number): unknown[] => chunk.getColumnValues(index);
      // DuckDB keeps the order of insertion; everything rests on it, so it is checked and not assumed.
      for (const idx of column(0)) if (idx !== next++) throw new Error(`flight ${next - 1} came as ${String(idx)}`);
      yield {
        count: chunk.rowCount,
        origins: Int32Array.from(column(1) as number[]),
        destinations: Int32Array.from(column(2) as number[]),
        departures: Float64Array.from(column(3) as number[]),
        delayMinutes: Int32Array.from(column(4) as number[]),
      };
    }
    if (next !== to) throw new Error(`${next - from} flights came, ${to - from} were asked for`);
  } finally {
    connection.closeSync();
  }
}
