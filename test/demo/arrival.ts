import { setTimeout as sleep } from "node:timers/promises";
import type { FlightLoader } from "./load.ts";

export interface ArrivalOptions {
  readonly loader: FlightLoader;
  /** Flights that are in the log in the end. */
  readonly records: number;
  readonly flightsPerSecond: number;
  /** So many flights are kept back until `finish`: on a slow machine the pace falls before they are used up, instead of ending too early. */
  readonly reserve: number;
}

/** Flights that keep arriving at a steady pace, until somebody lets them end. */
export interface Arrival {
  readonly arrived: number;
  /** At the moment. */
  readonly flightsPerSecond: number;
  /** Lets the rest arrive, at twice the pace, and resolves when all flights are acknowledged. */
  finish(): Promise<void>;
  /** Ends it where it is. @throws what stopped it before */
  stop(): Promise<void>;
}

const tickMs = 20;
/** When almost only the reserve is left: still arriving, and enough for an hour of waiting. */
const tricklePerSecond = 5;

export function startArrival(options: ArrivalOptions): Arrival {
  const { loader, records, flightsPerSecond, reserve } = options;
  const first = loader.loaded;
  let ending = "no" as "no" | "finish" | "stop";
  let failure: { readonly error: unknown } | undefined;
  const pace = (): number => {
    if (ending === "finish") return flightsPerSecond * 2;
    const free = records - loader.loaded - reserve;
    // Full pace until half of what may go is gone, then slower and slower.
    const share = Math.min(1, (2 * free) / Math.max(1, records - first - reserve));
    return Math.max(tricklePerSecond, flightsPerSecond * share);
  };
  const loop = (async () => {
    let last = performance.now();
    let due = 0;
    while (ending !== "stop" && loader.loaded < records) {
      await sleep(tickMs);
      const now = performance.now();
      // A machine that was busy does not get everything at once that it missed.
      due += (pace() * Math.min(now - last, 500)) / 1000;
      last = now;
      const count = Math.floor(due);
      due -= count;
      if (count > 0) await loader.send(count);
    }
    await loader.flush();
  })().catch((error: unknown) => {
    failure = { error };
  });
  const ended = async (): Promise<void> => {
    await loop;
    if (failure !== undefined) throw failure.error;
  };
  return {
    get arrived() {
      if (failure !== undefined) throw failure.error;
      return loader.loaded - first;
    },
    get flightsPerSecond() {
      return Math.round(pace());
    },
    async finish() {
      ending = "finish";
      await ended();
    },
    async stop() {
      ending = "stop";
      await ended();
    },
  };
}
