import { setTimeout as sleep } from "node:timers/promises";
import { type InputRecord, LedgerInput } from "./input.ts";
import type { World } from "./world.ts";

/**
 * Records are dated so far ahead: one waits that long for the other input before it is passed over as idle. So what is merged is a function of the log, also
 * when a broker was away in the middle of a batch.
 */
export const aheadMs = 15_000;
const tickMs = 50;

/** Writes the ledger's input at a steady rate; what a broker that is away holds up is not made up for. */
export class Load {
  records = 0;
  #stopping = false;
  readonly #running: Promise<void>;
  #failure: { readonly error: unknown } | undefined;

  constructor(world: World, seed: number, recordsPerSecond: number) {
    this.#running = this.#run(world, new LedgerInput(seed), recordsPerSecond).catch((error: unknown) => {
      this.#failure = { error };
    });
  }

  /** Resolves when everything sent is acknowledged. @throws what stopped it before */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #run(world: World, input: LedgerInput, recordsPerSecond: number): Promise<void> {
    let lastMs = Date.now() + aheadMs;
    let owed = 0;
    while (!this.#stopping) {
      const nowMs = Math.max(lastMs, Date.now() + aheadMs);
      owed += (recordsPerSecond * tickMs) / 1000;
      const count = Math.floor(owed);
      owed -= count;
      const batch: (InputRecord & { timestampMs: number })[] = [];
      for (let i = 1; i <= count; i++) {
        batch.push({ ...input.next(), timestampMs: Math.floor(lastMs + ((nowMs - lastMs) * i) / count) });
      }
      lastMs = nowMs;
      await world.send(batch);
      this.records += count;
      await sleep(tickMs);
    }
  }
}
