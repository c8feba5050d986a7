import { setTimeout as sleep } from "node:timers/promises";
import type { Admin } from "@reprise/kafka";
import type { BulkProducer } from "./bulk-producer.ts";
import type { Airport, FlightChunk, FlightLog } from "./flight-log.ts";
import { flightValue, reportedAt } from "./flight-record.ts";

export interface FlightTarget {
  readonly log: FlightLog;
  readonly producer: BulkProducer;
  readonly topic: string;
}

/** Writes flights one after the other, each once, in the order of their reports. */
export interface FlightLoader {
  /** Flights handed to the producer so far: the next one's number. */
  readonly loaded: number;
  /** The next `count` flights (fewer when the log ends). Resolves when they were handed over, not yet when they are acknowledged. */
  send(count: number): Promise<number>;
  /** Resolves when everything that was sent is acknowledged. @throws what the brokers refused */
  flush(): Promise<void>;
}

/** Creates the topic of the flights and the one of the results, kept for ever: their records are from 2001. */
export async function createDemoTopics(admin: Admin, topics: readonly string[], partitions: number): Promise<void> {
  await admin.createTopics(topics.map((name) => ({ name, partitions })));
}

export function openFlightLoader(target: FlightTarget, from = 0): FlightLoader {
  const { log, producer } = target;
  const keys = log.airports.map((airport) => Buffer.from(airport.name));
  const chunks = log.chunks(from, log.records);
  let chunk: FlightChunk | undefined;
  let index = 0;
  let loaded = from;
  return {
    get loaded() {
      return loaded;
    },
    async send(count) {
      const end = Math.min(log.records, loaded + count);
      const before = loaded;
      while (loaded < end) {
        if (chunk === undefined || index === chunk.count) {
          const next = await chunks.next();
          if (next.done === true) break;
          chunk = next.value;
          index = 0;
        }
        const to = sendChunk(target, keys, chunk, index, Math.min(chunk.count, index + (end - loaded)));
        loaded += to - index;
        // The queue holds a fraction of a second: looking again this soon never lets it run empty.
        if (to === index) await sleep(5);
        index = to;
      }
      return loaded - before;
    },
    async flush() {
      await producer.flush();
    },
  };
}

/** Loads flights up to `to` and waits for the acknowledgements; `onProgress` is called about five times a second. */
export async function loadFlights(loader: FlightLoader, to: number, onProgress: (loaded: number) => void = () => undefined): Promise<void> {
  let told = performance.now();
  while (loader.loaded < to && (await loader.send(Math.min(20_000, to - loader.loaded))) > 0) {
    if (performance.now() - told < 200) continue;
    told = performance.now();
    onProgress(loader.loaded);
  }
  await loader.flush();
  onProgress(loader.loaded);
}

/** @throws when a partition has another number of records than the log says: then somebody else wrote, or something was lost */
export async function checkLoaded(admin: Admin, topic: string, log: FlightLog, records: number): Promise<void> {
  const [ends, counts] = [await admin.endOffsets(topic), await log.partitionCounts(records)];
  if (ends.length !== counts.length || ends.some((end, partition) => end !== counts[partition])) {
    throw new Error(`topic ${topic} ends at ${ends.join(", ")}; ${records} flights end at ${counts.join(", ")}`);
  }
}

/** The index of the first flight that was not taken: `to`, or less when the producer's queue is full. */
function sendChunk({ log, producer, topic }: FlightTarget, keys: readonly Buffer[], chunk: FlightChunk, from: number, to: number): number {
  for (let index = from; index < to; index++) {
    // The columns have `count` entries, and every number in them is an airport's.
    const [originId, destinationId] = [chunk.origins[index] as number, chunk.destinations[index] as number];
    const origin = log.airports[originId] as Airport;
    const [departure, delay] = [chunk.departures[index] as number, chunk.delayMinutes[index] as number];
    const value = Buffer.from(flightValue(origin, log.airports[destinationId] as Airport, departure, delay), "latin1");
    if (!producer.produce(topic, origin.partition, keys[originId] as Buffer, value, reportedAt(departure, delay))) return index;
  }
  return to;
}
