import { setTimeout as sleep } from "node:timers/promises";
import { reached, type World } from "./world.ts";

interface Open {
  readonly atMs: number;
  readonly ends: ReadonlyMap<string, readonly number[]>;
}

const pollMs = 100;

/** How long it takes from each fault until the publisher has committed everything that was in its inputs at that moment. */
export class Recovery {
  readonly timesMs: number[] = [];
  readonly #world: World;
  readonly #deployments: readonly string[];
  #open: Open[] = [];
  #stopping = false;
  readonly #running: Promise<void>;

  constructor(world: World, deployments: readonly string[]) {
    this.#world = world;
    this.#deployments = deployments;
    this.#running = this.#run();
  }

  /** Does the fault, and takes the time from then on. */
  async from<T>(fault: () => Promise<T>): Promise<T> {
    // Before: who kills the broker can't ask it.
    const ends = await this.#world.ends();
    const done = await fault();
    this.#open.push({ atMs: performance.now(), ends });
    return done;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** The time within which the given part of the faults was overcome; NaN when there were none. */
  percentileMs(part: number): number {
    const sorted = this.timesMs.toSorted((a, b) => a - b);
    return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN);
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      await sleep(pollMs);
      if (this.#open.length === 0) continue;
      // Whoever publishes is ahead of the others. A broker that is away is asked again.
      const found = await Promise.all(this.#deployments.map((id) => this.#world.commitRecords(id))).catch(() => []);
      const nowMs = performance.now();
      this.#open = this.#open.filter(({ atMs, ends }) => {
        if (!found.some((records) => reached(records, ends))) return true;
        this.timesMs.push(nowMs - atMs);
        return false;
      });
    }
  }
}
