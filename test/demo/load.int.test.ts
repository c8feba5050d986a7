import { createAdmin, createPlainReader, type Admin, type EmbeddedBroker, startEmbeddedBroker } from "@reprise/kafka";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startArrival } from "./arrival.ts";
import { type BulkProducer, createBulkProducer } from "./bulk-producer.ts";
import { type FlightLog, openFlightLog } from "./flight-log.ts";
import { reportedAt } from "./flight-record.ts";
import { follow, type Follower } from "./follower.ts";
import { checkLoaded, createDemoTopics, type FlightLoader, loadFlights, openFlightLoader } from "./load.ts";
import { until } from "./until.ts";

const partitions = 4;
const records = 20_000;

let broker: EmbeddedBroker | undefined;
let bootstrap: string;
let admin: Admin;
let producer: BulkProducer;
let log: FlightLog;

beforeAll(async () => {
  if (process.env.REPRISE_BOOTSTRAP === undefined) broker = await startEmbeddedBroker();
  bootstrap = broker?.bootstrap ?? (process.env.REPRISE_BOOTSTRAP as string);
  admin = createAdmin({ bootstrap });
  producer = await createBulkProducer({ bootstrap });
  log = await openFlightLog({ partitions, records });
});

afterAll(async () => {
  log.close();
  await producer.close();
  await admin.close();
  await broker?.stop();
});

async function newLoader(name: string): Promise<{ topic: string; loader: FlightLoader }> {
  const topic = `${name}-${Date.now().toString(36)}`;
  await createDemoTopics(admin, [topic], partitions);
  return { topic, loader: openFlightLoader({ log, producer, topic }) };
}

describe("the loader", () => {
  test("writes each flight at its offset, keyed by origin, at the time of its report", async () => {
    const { topic, loader } = await newLoader("flights");
    const told: number[] = [];
    await loadFlights(loader, 12_345, (loaded) => told.push(loaded));
    expect(told.at(-1)).toBe(12_345);
    await checkLoaded(admin, topic, log, 12_345);
    await loadFlights(loader, records);
    await checkLoaded(admin, topic, log, records);
    await expect(checkLoaded(admin, topic, log, records - 1)).rejects.toThrow(`topic ${topic} ends at`);

    const expected = await expectedRecords();
    const actual = await readAll(
      topic,
      expected.map((each) => each.length),
    );
    expect(actual).toEqual(expected);
  });

  test("lets flights arrive at a pace, keeps the reserve back until the end, and loses none", async () => {
    const { topic, loader } = await newLoader("arriving");
    await loadFlights(loader, 10_000);
    const arrival = startArrival({ loader, records, flightsPerSecond: 20_000, reserve: 4_000 });
    await until("most of what is free", 60_000, async () => (arrival.arrived > 5_500 ? true : undefined));
    expect(arrival.flightsPerSecond).toBeLessThan(20_000);
    expect(loader.loaded).toBeLessThanOrEqual(records - 4_000 + 100);
    await arrival.finish();
    expect(arrival.arrived).toBe(10_000);
    await checkLoaded(admin, topic, log, records);
  });
});

describe("the follower", () => {
  const value = { hour: 978_307_200_000, flights: 2, delayed: 1, delayMinutes: 20, meanDelayMinutes: 10, maxDelayMinutes: 20 };

  test("reads what is there and what comes later", async () => {
    const { topic, follower } = await newFollower();
    publish(topic, 1, "ATL", JSON.stringify(value));
    await producer.flush();
    await follower.readToEnd();
    publish(topic, 2, "ORD", JSON.stringify({ ...value, flights: 7 }));
    publish(topic, 1, "ATL", JSON.stringify({ ...value, flights: 3 }));
    await producer.flush();
    await follower.readToEnd();
    const { rows } = follower;
    expect(
      rows.airports.map((airport, index) => `${airport} ${rows.flights[index]} ${rows.partitions[index]}@${rows.offsets[index]}`).sort(),
    ).toEqual(["ATL 2 1@0", "ATL 3 1@1", "ORD 7 2@0"]);
    expect(rows.timestamps).toEqual([1_000_000, 1_000_000, 1_000_000]);
    await follower.stop();
  });

  test("names the record that is no result", async () => {
    const { topic, follower } = await newFollower();
    publish(topic, 3, "ATL", JSON.stringify({ ...value, maxDelayMinutes: "20" }));
    await producer.flush();
    await expect(follower.readToEnd()).rejects.toThrow(`${topic}/3@0 has no number maxDelayMinutes`);
    await expect(follower.stop()).rejects.toThrow("has no number maxDelayMinutes");
  });

  async function newFollower(): Promise<{ topic: string; follower: Follower }> {
    const topic = `results-${Date.now().toString(36)}`;
    await createDemoTopics(admin, [topic], partitions);
    const reader = await createPlainReader({ bootstrap });
    return { topic, follower: follow({ reader, topic, partitions, ends: () => admin.endOffsets(topic) }) };
  }

  function publish(topic: string, partition: number, key: string, text: string): void {
    expect(producer.produce(topic, partition, Buffer.from(key), Buffer.from(text), 1_000_000)).toBe(true);
  }
});

/** Per partition, in order: key, value and timestamp as they should stand in the topic. */
async function expectedRecords(): Promise<string[][]> {
  const expected: string[][] = Array.from({ length: partitions }, () => []);
  for await (const chunk of log.chunks(0, records)) {
    for (let index = 0; index < chunk.count; index++) {
      const [origin, destination] = [log.airports[chunk.origins[index] as number], log.airports[chunk.destinations[index] as number]];
      if (origin === undefined || destination === undefined) throw new Error("unknown airport");
      const [departure, delayMinutes] = [chunk.departures[index] as number, chunk.delayMinutes[index] as number];
      const value = JSON.stringify({ origin: origin.name, destination: destination.name, departure, delayMinutes });
      expected[origin.partition]?.push(`${origin.name} ${value} ${reportedAt(departure, delayMinutes)}`);
    }
  }
  return expected;
}

async function readAll(topic: string, counts: readonly number[]): Promise<string[][]> {
  const reader = await createPlainReader({ bootstrap });
  const read: string[][] = counts.map(() => []);
  for (const partition of counts.keys()) reader.assign({ topic, partition }, 0);
  while (read.some((records_, partition) => records_.length < (counts[partition] as number))) {
    await reader.wait(200);
    for (const partition of counts.keys()) {
      const columns = reader.take({ topic, partition });
      for (let index = 0; index < (columns?.count ?? 0); index++) {
        if (columns === undefined) break;
        const text = (starts: Int32Array, lengths: Int32Array): string =>
          columns.bytes.toString("utf8", starts[index], (starts[index] as number) + (lengths[index] as number));
        read[partition]?.push(
          `${text(columns.keyStarts, columns.keyLengths)} ${text(columns.valueStarts, columns.valueLengths)} ${columns.timestamps[index]}`,
        );
      }
    }
  }
  await reader.close();
  return read;
}
