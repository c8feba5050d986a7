import { setTimeout as sleep } from "node:timers/promises";
import { type InputRecord, LedgerInput } from "./input.ts";
import type { World } from "./world.ts";

/**
 * Records are dated so far ahead: one waits that long for the other input before it is passed over as idle. So what is merged is a function of the log,
 * however slow this machine is just now.
 */
const aheadMs = 15_000;
const tickMs = 50;

/** Writes the ledger's input at a steady rate; what a pause holds up is not made up for. */
export class Load {
  records = 0;
  #stopping = false;
  #paused = false;
  #sending: Promise<void> = Promise.resolve();
  readonly #running: Promise<void>;
  #failure: { readonly error: unknown } | undefined;

  constructor(world: World, seed: number, recordsPerSecond: number) {
    this.#running = this.#run(world, new LedgerInput(seed), recordsPerSecond).catch((error: unknown) => {
      this.#failure = { error };
    });
  }

  /**
   * Until `resume`; resolves when everything sent is acknowledged. A broker that goes away in the middle of a batch would let the one input wait for longer
   * than the records of the other one do.
   */
  async pause(): Promise<void> {
    this.#paused = true;
    await this.#sending;
  }

  resume(): void {
    this.#paused = false;
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
      if (this.#paused) {
        await sleep(tickMs);
        continue;
      }
      const nowMs = Math.max(lastMs, Date.now() + aheadMs);
      owed += (recordsPerSecond * tickMs) / 1000;
      const count = Math.floor(owed);
      owed -= count;
      const batch: (InputRecord & { timestampMs: number })[] = [];
      for (let i = 1; i <= count; i++) {
        batch.push({ ...input.next(), timestampMs: Math.floor(lastMs + ((nowMs - lastMs) * i) / count) });
      }
      lastMs = nowMs;
      this.#sending = world.send(batch);
      await this.#sending;
      this.records += count;
      await sleep(tickMs);
    }
  }
}
