import { DOUBLE, DuckDBDataChunk, type DuckDBConnection, type DuckDBType, type DuckDBValue, VARCHAR } from "@duckdb/node-api";
import type { HourlyColumns } from "./follower.ts";
import type { FlightLog } from "./flight-log.ts";
import { countOf } from "./model.ts";

export interface Totals {
  readonly flights: number;
  readonly delayed: number;
  readonly delayMinutes: number;
}

export interface Destination {
  readonly destination: string;
  readonly flights: number;
  readonly delayMinutes: number;
}

/** Rows that should be there, rows that differ (missing and unexpected ones included), and the first few of these in words. */
export interface RowComparison {
  readonly expected: number;
  readonly mismatches: number;
  readonly examples: readonly string[];
}

export interface HourlyComparison extends RowComparison {
  /** Rows on the output topic. */
  readonly published: number;
  /** Results that are due and were not published. */
  readonly seamGaps: number;
  /** Rows beyond the first of their airport and hour. */
  readonly seamDuplicates: number;
  /** Expected rows whose values tell the versions apart: only these prove who published. */
  readonly tellingRows: number;
}

const exampleLimit = 5;

/** The totals of one version, as its view answers, against the model. Every airport with flights must be there, and no other. */
export async function compareTotals(log: FlightLog, version: 1 | 2, actual: ReadonlyMap<string, Totals>): Promise<RowComparison> {
  await fill(log.connection, "actual_totals", "airport varchar, flights double, delayed double, delay_minutes double", [
    [...actual.keys()],
    ...columns([...actual.values()], (row) => [row.flights, row.delayed, row.delayMinutes], 3),
  ]);
  return compareRows(log.connection, {
    expected: `(select airport, flights, delayed, delay_minutes from expected_totals where version = ${version})`,
    actual: "actual_totals",
    key: ["airport"],
    value: ["flights", "delayed", "delay_minutes"],
    name: `totals of version ${version}`,
  });
}

export async function compareWorst(log: FlightLog, actual: ReadonlyMap<string, Destination>): Promise<RowComparison> {
  const rows = [...actual.values()];
  await fill(log.connection, "actual_worst", "airport varchar, destination varchar, flights double, delay_minutes double", [
    [...actual.keys()],
    rows.map((row) => row.destination),
    ...columns(rows, (row) => [row.flights, row.delayMinutes], 2),
  ]);
  return compareRows(log.connection, {
    expected: "expected_worst",
    actual: "actual_worst",
    key: ["airport"],
    value: ["destination", "flights", "delay_minutes"],
    name: "worst destination",
  });
}

/** Every pair of origin and destination. */
export async function compareDestinations(log: FlightLog, actual: ReadonlyMap<string, readonly Destination[]>): Promise<RowComparison> {
  const rows = [...actual].flatMap(([airport, destinations]) => destinations.map((destination) => ({ airport, ...destination })));
  await fill(log.connection, "actual_destinations", "airport varchar, destination varchar, flights double, delay_minutes double", [
    rows.map((row) => row.airport),
    rows.map((row) => row.destination),
    ...columns(rows, (row) => [row.flights, row.delayMinutes], 2),
  ]);
  return compareRows(log.connection, {
    expected: "expected_destinations",
    actual: "actual_destinations",
    key: ["airport", "destination"],
    value: ["flights", "delay_minutes"],
    name: "destination",
  });
}

/**
 * Everything that was ever published, row by row, against `expected_hourly`: values, the time of the record that released them, their order, and that
 * each airport and hour is there exactly once. A row of the wrong version differs in its values wherever the versions disagree.
 */
export async function compareHourly(log: FlightLog, published: HourlyColumns): Promise<HourlyComparison> {
  const { connection } = log;
  await fill(
    connection,
    "published",
    "airport varchar, hour double, flights double, delayed double, delay_minutes double, mean_delay_minutes double, max_delay_minutes double, stream_time double, partition double, position double",
    [
      published.airports,
      published.hours,
      published.flights,
      published.delayed,
      published.delayMinutes,
      published.meanDelayMinutes,
      published.maxDelayMinutes,
      published.timestamps,
      published.partitions,
      published.offsets,
    ],
  );
  const compared = await compareRows(connection, {
    expected: "(select *, delay_minutes / flights as mean_delay_minutes from expected_hourly)",
    actual: "published",
    key: ["airport", "hour"],
    value: ["flights", "delayed", "delay_minutes", "mean_delay_minutes", "max_delay_minutes", "stream_time", "partition"],
    name: "hourly result",
  });
  const [seams] = (
    await connection.runAndReadAll(`
      select
        (select count(*) from expected_hourly e anti join published p using (airport, hour))::double,
        (select count(*) - count(distinct (airport, hour)) from published)::double,
        (select count(*) from expected_hourly where tells_versions_apart)::double,
        (select count(*) from (
          select cause < lag(cause) over (partition by p.partition order by p.position) as fell
          from published p join expected_hourly e using (airport, hour)) where fell)::double`)
  ).getRows();
  const [seamGaps, seamDuplicates, tellingRows, disorder] = (seams ?? []).map(Number) as [number, number, number, number];
  return {
    ...compared,
    // A gap is counted as a gap, not as a wrong value too.
    mismatches: compared.mismatches - seamGaps + disorder,
    examples: disorder === 0 ? compared.examples : [...compared.examples, `${disorder} results came before one that was released earlier`],
    published: await countOf(connection, "published"),
    seamGaps,
    seamDuplicates,
    tellingRows,
  };
}

interface RowsToCompare {
  readonly expected: string;
  readonly actual: string;
  readonly key: readonly string[];
  readonly value: readonly string[];
  readonly name: string;
}

async function compareRows(connection: DuckDBConnection, rows: RowsToCompare): Promise<RowComparison> {
  const { key, value } = rows;
  const list = (prefix: string, names: readonly string[]): string => names.map((name) => `${prefix}.${name}`).join(", ");
  await connection.run(`
    create or replace temp table difference as
    select ${key.map((name) => `coalesce(e.${name}, a.${name}) as ${name}`).join(", ")},
      case when e.${key[0]} is null then 'none' else row(${list("e", value)})::varchar end as expected,
      case when a.${key[0]} is null then 'none' else row(${list("a", value)})::varchar end as actual
    from ${rows.expected} e full outer join ${rows.actual} a on ${key.map((name) => `e.${name} = a.${name}`).join(" and ")}
    where row(${list("e", value)}) is distinct from row(${list("a", value)})`);
  const examples = await connection.runAndReadAll(`select * from difference order by all limit ${exampleLimit}`);
  return {
    expected: Number((await connection.runAndReadAll(`select count(*)::double from ${rows.expected}`)).getRows()[0]?.[0]),
    mismatches: await countOf(connection, "difference"),
    examples: examples.getRows().map((row) => {
      const [expected, actual] = row.slice(key.length);
      return `${rows.name} ${row.slice(0, key.length).join(" ")}: (${value.join(", ")}) should be ${String(expected)}, is ${String(actual)}`;
    }),
  };
}

function columns<Row>(rows: readonly Row[], pick: (row: Row) => readonly number[], width: number): number[][] {
  const picked = rows.map(pick);
  return Array.from({ length: width }, (_, index) => picked.map((values) => values[index] as number));
}

const chunkRows = 2048;

/** Replaces a table with columns of strings and numbers. */
async function fill(
  connection: DuckDBConnection,
  table: string,
  declaration: string,
  data: readonly (readonly (string | number)[])[],
): Promise<void> {
  await connection.run(`create or replace table ${table} (${declaration})`);
  const types: DuckDBType[] = declaration.split(", ").map((column) => (column.endsWith("varchar") ? VARCHAR : DOUBLE));
  const appender = await connection.createAppender(table);
  const rows = data[0]?.length ?? 0;
  for (let from = 0; from < rows; from += chunkRows) {
    const chunk = DuckDBDataChunk.create(types);
    chunk.setColumns(data.map((column) => column.slice(from, from + chunkRows) as DuckDBValue[]));
    appender.appendDataChunk(chunk);
  }
  appender.closeSync();
}
