import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compareDestinations, compareHourly, compareTotals, compareWorst, type Destination, type Totals } from "./compare.ts";
import { type FlightLog, openFlightLog } from "./flight-log.ts";
import type { HourlyColumns } from "./follower.ts";
import { buildModel, expectHourly, lateFlights, type PublishedBy } from "./model.ts";

const records = 20_000;
const partitions = 4;
const hourMs = 3_600_000;

/** One flight as the brute force sees it. */
interface Flight {
  readonly origin: string;
  readonly destination: string;
  readonly partition: number;
  readonly offset: number;
  readonly departure: number;
  readonly delay: number;
}

interface Emission {
  readonly airport: string;
  readonly hour: number;
  readonly partition: number;
  readonly cause: number;
  readonly streamTime: number;
  readonly delays: readonly number[];
}

let log: FlightLog;
let flights: Flight[];
let emissions: Emission[];
let late: number;

beforeAll(async () => {
  log = await openFlightLog({ partitions, records });
  await buildModel(log);
  flights = await readFlights(log);
  ({ emissions, late } = emitOneByOne(flights));
});
afterAll(() => log.close());

describe("the flights", () => {
  test("come in the order of their reports, each at the next offset of its partition", async () => {
    expect(flights).toHaveLength(records);
    const reported = flights.map((flight) => flight.departure + flight.delay * 60_000);
    expect(reported).toEqual([...reported].sort((a, b) => a - b));
    expect(await log.partitionCounts(records)).toEqual(
      [0, 1, 2, 3].map((partition) => flights.filter((flight) => flight.partition === partition).length),
    );
    expect(await log.partitionCounts(3)).toEqual(
      [0, 1, 2, 3].map((partition) => flights.slice(0, 3).filter((flight) => flight.partition === partition).length),
    );
  });

  test("can be read in parts", async () => {
    let count = 0;
    for await (const chunk of log.chunks(4_999, 12_001)) {
      expect(log.airports[chunk.origins[0] as number]?.name).toBe(flights[4_999 + count]?.origin);
      count += chunk.count;
    }
    expect(count).toBe(12_001 - 4_999);
  });
});

describe("the model", () => {
  test.each([1, 2] as const)("has the totals of version %i that flights counted one by one have", async (version) => {
    const totals = countTotals(flights, version);
    expect(await compareTotals(log, version, totals)).toEqual({ expected: totals.size, mismatches: 0, examples: [] });
  });

  test("has the destinations and the worst ones that flights counted one by one have", async () => {
    const { destinations, worst } = countDestinations(flights);
    expect(await compareDestinations(log, destinations)).toMatchObject({ mismatches: 0 });
    expect(await compareWorst(log, worst)).toEqual({ expected: worst.size, mismatches: 0, examples: [] });
  });

  test("releases the hours that a watermark moved record by record releases, and drops the same late flights", async () => {
    expect(emissions.length).toBeGreaterThan(500);
    expect(late).toBeGreaterThan(0);
    expect(await lateFlights(log)).toBe(late);
    await expectHourly(log, [{ version: 1, from: [0, 0, 0, 0], to: null }]);
    const compared = await compareHourly(
      log,
      publish(emissions, () => 1),
    );
    expect(compared).toMatchObject({ expected: emissions.length, mismatches: 0, seamGaps: 0, seamDuplicates: 0, examples: [] });
  });

  test("takes each hour from the version that published at its cause", async () => {
    const cuts = [firstCut, secondCut].map((cut) => cut());
    await expectHourly(log, intervals(cuts));
    const compared = await compareHourly(log, publish(emissions, publisherAt(cuts)));
    expect(compared).toMatchObject({ mismatches: 0, seamGaps: 0, seamDuplicates: 0 });
    expect(compared.tellingRows).toBeGreaterThan(compared.expected / 2);
  });
});

describe("the comparison", () => {
  test("finds the hours that the wrong version published", async () => {
    const cuts = [firstCut, secondCut].map((cut) => cut());
    await expectHourly(log, intervals(cuts));
    const moved = cuts.map((cut) => cut.map((offset) => offset + 400));
    const compared = await compareHourly(log, publish(emissions, publisherAt(moved)));
    expect(compared.mismatches).toBeGreaterThan(5);
    expect(compared).toMatchObject({ seamGaps: 0, seamDuplicates: 0 });
    expect(compared.examples[0]).toMatch(/^hourly result [A-Z]{3} \d+/);
  });

  test("finds a missing hour, a doubled one, and one that nobody expects", async () => {
    await expectHourly(log, [{ version: 2, from: [0, 0, 0, 0], to: null }]);
    const [first, second, ...rest] = emissions as [Emission, Emission, ...Emission[]];
    expect(
      await compareHourly(
        log,
        publish([second, ...rest], () => 2),
      ),
    ).toMatchObject({ mismatches: 0, seamGaps: 1, seamDuplicates: 0 });
    expect(
      await compareHourly(
        log,
        publish([first, first, second, ...rest], () => 2),
      ),
    ).toMatchObject({ mismatches: 0, seamGaps: 0, seamDuplicates: 1 });
    const stray = { ...(rest.at(-1) as Emission), hour: 0 };
    expect(
      await compareHourly(
        log,
        publish([...emissions, stray], () => 2),
      ),
    ).toMatchObject({ mismatches: 1, seamGaps: 0, seamDuplicates: 0 });
  });

  test("finds hours that were published in another order than they were released", async () => {
    await expectHourly(log, [{ version: 2, from: [0, 0, 0, 0], to: null }]);
    const inOne = emissions.filter((emission) => emission.partition === 0);
    const changed = [...inOne.slice(-1), ...inOne.slice(0, -1), ...emissions.filter((emission) => emission.partition !== 0)];
    expect(
      await compareHourly(
        log,
        publish(changed, () => 2),
      ),
    ).toMatchObject({ mismatches: 1, seamGaps: 0, seamDuplicates: 0 });
  });

  test("finds totals that are wrong, missing or too many", async () => {
    const right = countTotals(flights, 2);
    const wrong = new Map(right).set("ATL", { ...(right.get("ATL") as Totals), delayed: 1 });
    const compared = await compareTotals(log, 2, wrong);
    expect(compared.mismatches).toBe(1);
    expect(compared.examples[0]).toContain("totals of version 2 ATL: (flights, delayed, delay_minutes) should be (");
    wrong.delete("ORD");
    wrong.set("XYZ", { flights: 1, delayed: 0, delayMinutes: 0 });
    expect((await compareTotals(log, 2, wrong)).mismatches).toBe(3);
  });

  test("refuses intervals that leave a position without publisher", async () => {
    await expect(expectHourly(log, [{ version: 1, from: [0, 0, 0, 0], to: [100, 100, 100, 100] }])).rejects.toThrow(
      "are due, but the publication intervals",
    );
  });
});

const firstCut = (): number[] =>
  [0, 1, 2, 3].map((partition) => Math.floor(flights.filter((flight) => flight.partition === partition).length * 0.4));
const secondCut = (): number[] =>
  [0, 1, 2, 3].map((partition) => Math.floor(flights.filter((flight) => flight.partition === partition).length * 0.7));

/** v1, then v2, then v1 again. */
function intervals(cuts: readonly (readonly number[])[]): PublishedBy[] {
  const [first, second] = cuts as [readonly number[], readonly number[]];
  return [
    { version: 1, from: [0, 0, 0, 0], to: first },
    { version: 2, from: first, to: second },
    { version: 1, from: second, to: null },
  ];
}

function publisherAt(cuts: readonly (readonly number[])[]): (emission: Emission) => 1 | 2 {
  return ({ partition, cause }) => (cuts.filter((cut) => cause >= (cut[partition] as number)).length === 1 ? 2 : 1);
}

async function readFlights(from: FlightLog): Promise<Flight[]> {
  const read: Flight[] = [];
  const next = Array.from({ length: partitions }, () => 0);
  for await (const chunk of from.chunks(0, from.records)) {
    for (let index = 0; index < chunk.count; index++) {
      const origin = from.airports[chunk.origins[index] as number];
      const destination = from.airports[chunk.destinations[index] as number];
      if (origin === undefined || destination === undefined) throw new Error("unknown airport");
      read.push({
        origin: origin.name,
        destination: destination.name,
        partition: origin.partition,
        offset: next[origin.partition] as number,
        departure: chunk.departures[index] as number,
        delay: chunk.delayMinutes[index] as number,
      });
      next[origin.partition] = (next[origin.partition] as number) + 1;
    }
  }
  return read;
}

/** The definition, executed literally: each record moves the watermark, releases what is due, then is added or is too late. */
function emitOneByOne(all: readonly Flight[]): { emissions: Emission[]; late: number } {
  const released: Emission[] = [];
  let tooLate = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const open = new Map<string, { airport: string; hour: number; delays: number[] }>();
    let streamTime = Number.NEGATIVE_INFINITY;
    for (const flight of all.filter((candidate) => candidate.partition === partition)) {
      streamTime = Math.max(streamTime, flight.departure);
      const watermark = streamTime - 2 * hourMs;
      const due = [...open.values()].filter(({ hour }) => watermark >= hour + 2 * hourMs);
      for (const { airport, hour, delays } of due) {
        released.push({ airport, hour, partition, cause: flight.offset, streamTime, delays });
        open.delete(`${airport} ${hour}`);
      }
      const hour = flight.departure - (flight.departure % hourMs);
      if (watermark >= hour + 2 * hourMs) {
        tooLate += 1;
        continue;
      }
      const id = `${flight.origin} ${hour}`;
      const window = open.get(id) ?? { airport: flight.origin, hour, delays: [] };
      window.delays.push(flight.delay);
      open.set(id, window);
    }
  }
  return { emissions: released, late: tooLate };
}

/** As the follower would have read it. */
function publish(released: readonly Emission[], versionOf: (emission: Emission) => 1 | 2): HourlyColumns {
  const rows = released.map((emission, index) => {
    const delays = versionOf(emission) === 1 ? emission.delays : emission.delays.map((delay) => Math.max(0, delay));
    const sum = delays.reduce((a, b) => a + b, 0);
    return { ...emission, delays, sum, index };
  });
  return {
    airports: rows.map((row) => row.airport),
    hours: rows.map((row) => row.hour),
    flights: rows.map((row) => row.delays.length),
    delayed: rows.map((row) => row.delays.filter((delay) => delay > 15).length),
    delayMinutes: rows.map((row) => row.sum),
    meanDelayMinutes: rows.map((row) => row.sum / row.delays.length),
    maxDelayMinutes: rows.map((row) => Math.max(...row.delays)),
    timestamps: rows.map((row) => row.streamTime),
    partitions: rows.map((row) => row.partition),
    offsets: rows.map((row) => row.index),
  };
}

function countTotals(all: readonly Flight[], version: 1 | 2): Map<string, Totals> {
  const totals = new Map<string, Totals>();
  for (const flight of all) {
    const delay = version === 1 ? flight.delay : Math.max(0, flight.delay);
    const before = totals.get(flight.origin) ?? { flights: 0, delayed: 0, delayMinutes: 0 };
    totals.set(flight.origin, {
      flights: before.flights + 1,
      delayed: before.delayed + (delay > 15 ? 1 : 0),
      delayMinutes: before.delayMinutes + delay,
    });
  }
  return totals;
}

function countDestinations(all: readonly Flight[]): { destinations: Map<string, Destination[]>; worst: Map<string, Destination> } {
  const byOrigin = new Map<string, Map<string, Destination>>();
  for (const { origin, destination, delay } of all) {
    const ofOrigin = byOrigin.get(origin) ?? new Map<string, Destination>();
    const before = ofOrigin.get(destination) ?? { destination, flights: 0, delayMinutes: 0 };
    ofOrigin.set(destination, { destination, flights: before.flights + 1, delayMinutes: before.delayMinutes + Math.max(0, delay) });
    byOrigin.set(origin, ofOrigin);
  }
  const worst = new Map<string, Destination>();
  for (const [origin, ofOrigin] of byOrigin) {
    const sorted = [...ofOrigin.values()].sort((a, b) => b.delayMinutes - a.delayMinutes || (a.destination < b.destination ? -1 : 1));
    worst.set(origin, sorted[0] as Destination);
  }
  return { destinations: new Map([...byOrigin].map(([origin, ofOrigin]) => [origin, [...ofOrigin.values()]])), worst };
}
