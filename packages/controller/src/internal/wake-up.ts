import type { Clock } from "@reprise/engine";

/** A sleep that others can end. */
export class WakeUp {
  readonly #clock: Clock;
  #sleeping: AbortController | undefined;
  #missed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Ends the present wait, or the next one at once. */
  wake(): void {
    const sleeping = this.#sleeping;
    this.#sleeping = undefined;
    if (sleeping === undefined) this.#missed = true;
    else sleeping.abort();
  }

  async wait(timeoutMs: number): Promise<void> {
    if (this.#missed) {
      this.#missed = false;
      return;
    }
    const sleeping = new AbortController();
    this.#sleeping = sleeping;
    await this.#clock.sleep(timeoutMs, sleeping.signal);
    this.#sleeping = undefined;
  }
}
