import airportDelaysV1 from "@reprise/airport-delays-v1";
import airportDelaysV2 from "@reprise/airport-delays-v2";
import { testProcessor } from "reprise/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareDestinations, compareHourly, compareTotals, compareWorst, type Destination, type Totals } from "./compare.ts";
import { type FlightLog, openFlightLog } from "./flight-log.ts";
import { reportedAt } from "./flight-record.ts";
import type { HourlyColumns } from "./follower.ts";
import { buildModel, expectHourly } from "./model.ts";

// The driver runs one task: all flights in one partition.
const partitions = 1;
const records = 8_000;

let log: FlightLog;

beforeAll(async () => {
  log = await openFlightLog({ partitions, records });
  await buildModel(log);
});
afterAll(() => log.close());

type HourlyRow = ReturnType<ReturnType<typeof newDriver>["then"]["hourly"]>[number];
/** What both versions' drivers share. */
type Driver = Pick<ReturnType<typeof newDriver>, "when" | "then">;

const newDriver = () => testProcessor(airportDelaysV1);

describe("the real engine, in memory, on real flights", () => {
  test("answers with version 1 what the model says", async () => {
    const driver = testProcessor(airportDelaysV1);
    const rows = await flyAll(driver);
    await expectHourly(log, [{ version: 1, from: [0], to: null }]);
    expect(await compareHourly(log, rows)).toMatchObject({ mismatches: 0, seamGaps: 0, seamDuplicates: 0, examples: [] });
    expect(rows.hours.length).toBeGreaterThan(500);
    const totals = new Map<string, Totals>(origins().map((name) => [name, driver.stateOf(name).totals.get()]));
    expect(await compareTotals(log, 1, withFlights(totals))).toMatchObject({ mismatches: 0, examples: [] });
  });

  test("answers with version 2 what the model says", async () => {
    const driver = testProcessor(airportDelaysV2);
    const rows = await flyAll(driver);
    await expectHourly(log, [{ version: 2, from: [0], to: null }]);
    expect(await compareHourly(log, rows)).toMatchObject({ mismatches: 0, seamGaps: 0, seamDuplicates: 0, examples: [] });
    const totals = new Map<string, Totals>(origins().map((name) => [name, driver.stateOf(name).totals.get()]));
    expect(await compareTotals(log, 2, withFlights(totals))).toMatchObject({ mismatches: 0, examples: [] });
    const worst = new Map<string, Destination>();
    const destinations = new Map<string, readonly Destination[]>();
    for (const name of origins()) {
      const state = driver.stateOf(name);
      const row = state.worst.get();
      if (row !== undefined) worst.set(name, row);
      destinations.set(
        name,
        [...state.destinations.entries()].map(([destination, value]) => ({ destination, ...value })),
      );
    }
    expect(await compareWorst(log, worst)).toMatchObject({ mismatches: 0, examples: [] });
    expect(await compareDestinations(log, destinations)).toMatchObject({ mismatches: 0, examples: [] });
  });
});

const origins = (): string[] => log.airports.map(({ name }) => name);

/** A state with an initial value answers for airports that no flight left from, too. */
function withFlights(totals: ReadonlyMap<string, Totals>): Map<string, Totals> {
  return new Map([...totals].filter(([, { flights }]) => flights > 0));
}

async function flyAll(driver: Driver): Promise<HourlyColumns> {
  for await (const chunk of log.chunks(0, log.records)) {
    for (let index = 0; index < chunk.count; index++) {
      const [origin, destination] = [log.airports[chunk.origins[index] as number], log.airports[chunk.destinations[index] as number]];
      if (origin === undefined || destination === undefined) throw new Error("unknown airport");
      const [departure, delayMinutes] = [chunk.departures[index] as number, chunk.delayMinutes[index] as number];
      const flight = { origin: origin.name, destination: destination.name, departure, delayMinutes };
      driver.when.flights(origin.name, flight, reportedAt(departure, delayMinutes));
    }
  }
  return columnsOf(driver.then.hourly());
}

function columnsOf(rows: readonly HourlyRow[]): HourlyColumns {
  return {
    airports: rows.map((row) => row.key),
    hours: rows.map((row) => row.value.hour),
    flights: rows.map((row) => row.value.flights),
    delayed: rows.map((row) => row.value.delayed),
    delayMinutes: rows.map((row) => row.value.delayMinutes),
    meanDelayMinutes: rows.map((row) => row.value.meanDelayMinutes),
    maxDelayMinutes: rows.map((row) => row.value.maxDelayMinutes),
    timestamps: rows.map((row) => row.timestamp),
    partitions: rows.map(() => 0),
    offsets: rows.map((_, index) => index),
  };
}
