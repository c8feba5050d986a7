import type { DuckDBConnection } from "@duckdb/node-api";
import type { FlightLog } from "./flight-log.ts";

/** From `from` (inclusive) to `to` (exclusive, null: open), next offsets per partition of the flights: who publishes there. */
export interface PublishedBy {
  readonly version: 1 | 2;
  readonly from: readonly number[];
  readonly to: readonly number[] | null;
}

/** As the processors declare them; written out here because the model must not ask the code that it checks. */
const outOfOrderMs = 2 * 3_600_000;
const windowMs = 3_600_000;
const graceMs = 3_600_000;
const delayedBeyondMinutes = 15;

/**
 * Computes with SQL, from the file alone, what both versions have to answer once every flight is processed:
 *
 * - `expected_totals` (version, airport, …), `expected_destinations` and `expected_worst` (airport, …);
 * - `expected_window` (partition, airport, hour, the result by each version, `cause`): each result that is due, and the position of the
 *   record whose arrival released it. The watermark at a record is the largest departure so far in its partition, its own included, minus
 *   the disorder bound; the first record at which it reaches the hour's end + grace releases the hour, and from that record on flights of
 *   that hour are too late for it.
 */
export async function buildModel(log: FlightLog): Promise<void> {
  const { connection } = log;
  await connection.run(`
    create or replace table expected_totals as
      select version, airport.name as airport, count(*)::double as flights,
        count(*) filter (minutes > ${delayedBeyondMinutes})::double as delayed, sum(minutes)::double as delay_minutes
      from ${byVersion} join airport on airport.id = origin group by all;
    create or replace table expected_destinations as
      select o.name as airport, d.name as destination, count(*)::double as flights, sum(minutes)::double as delay_minutes
      from ${byVersion} join airport o on o.id = origin join airport d on d.id = destination where version = 2 group by all;
    create or replace table expected_worst as
      select airport, destination, flights, delay_minutes from expected_destinations
      qualify row_number() over (partition by airport order by delay_minutes desc, destination) = 1;
    create or replace temp table logged as
      select partition, position, origin, delay, departure // ${windowMs} * ${windowMs} as hour,
        max(departure) over (partition by partition order by position rows unbounded preceding) - ${outOfOrderMs} as watermark
      from flight;
    create or replace table expected_window as
      with result as (
        select partition, origin, hour, hour + ${windowMs + graceMs} as due_at, count(*)::double as flights,
          count(*) filter (delay > ${delayedBeyondMinutes})::double as delayed,
          sum(delay)::double as delay_minutes_v1, max(delay)::double as max_delay_v1,
          sum(greatest(delay, 0))::double as delay_minutes_v2, max(greatest(delay, 0))::double as max_delay_v2
        from logged where watermark < hour + ${windowMs + graceMs} group by all
      ),
      step as (select partition, watermark, min(position) as position, any_value(watermark) + ${outOfOrderMs} as stream_time from logged group by partition, watermark)
      select result.partition, airport.name as airport, hour::double as hour, flights, delayed,
        delay_minutes_v1, max_delay_v1, delay_minutes_v2, max_delay_v2,
        step.position as cause, step.stream_time::double as stream_time
      from result asof join step on result.partition = step.partition and result.due_at <= step.watermark
      join airport on airport.id = result.origin;
    create or replace table late as
      select count(*)::double as flights from logged where watermark >= hour + ${windowMs + graceMs};
    drop table logged;`);
}

/** Both versions' view of a flight: version 1 takes the delay as it is, version 2 knows no negative ones. */
const byVersion = `(select 1 as version, *, delay as minutes from flight union all select 2, *, greatest(delay, 0) from flight)`;

/**
 * `expected_hourly`: the results that are due, each as the version says that published at its cause. An hour whose cause lies in no
 * interval, or in two, makes this throw: then the intervals themselves are wrong.
 */
export async function expectHourly(log: FlightLog, intervals: readonly PublishedBy[]): Promise<void> {
  const { connection } = log;
  await connection.run(
    "create or replace table interval_of (version integer, partition integer, from_position bigint, to_position bigint)",
  );
  for (const { version, from, to } of intervals) {
    for (let partition = 0; partition < log.partitions; partition++) {
      const end = to === null ? "null" : String(to[partition] ?? 0);
      await connection.run(`insert into interval_of values (${version}, ${partition}, ${from[partition] ?? 0}, ${end})`);
    }
  }
  await connection.run(`
    create or replace table expected_hourly as
    select airport, hour, version, w.partition, cause, stream_time, flights, delayed,
      case version when 1 then delay_minutes_v1 else delay_minutes_v2 end as delay_minutes,
      case version when 1 then max_delay_v1 else max_delay_v2 end as max_delay_minutes,
      delay_minutes_v1 <> delay_minutes_v2 as tells_versions_apart
    from expected_window w join interval_of i on w.partition = i.partition and cause >= from_position and (to_position is null or cause < to_position)`);
  const [due, expected] = [await countOf(connection, "expected_window"), await countOf(connection, "expected_hourly")];
  if (due !== expected) throw new Error(`${due} results are due, but the publication intervals name a publisher ${expected} times`);
}

/** How many flights came too late for their hour; the totals have them all the same. */
export async function lateFlights(log: FlightLog): Promise<number> {
  return Number((await log.connection.runAndReadAll("select flights from late")).getRows()[0]?.[0]);
}

export async function countOf(connection: DuckDBConnection, table: string): Promise<number> {
  return Number((await connection.runAndReadAll(`select count(*)::double from ${table}`)).getRows()[0]?.[0]);
}
