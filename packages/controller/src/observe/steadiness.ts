/** Whether something was so in every sample of a period. A gap between samples starts the period anew: nobody looked. */
export class Steadiness {
  readonly #gapMs: number;
  #sinceMs: number | undefined;
  #lastMs = 0;

  constructor(gapMs = 5_000) {
    this.#gapMs = gapMs;
  }

  add(atMs: number, holds: boolean): void {
    if (!holds) this.#sinceMs = undefined;
    else if (this.#sinceMs === undefined || atMs - this.#lastMs > this.#gapMs) this.#sinceMs = atMs;
    this.#lastMs = atMs;
  }

  /** How long it has been so; 0 when it is not. */
  heldMs(nowMs: number): number {
    return this.#sinceMs === undefined ? 0 : nowMs - this.#sinceMs;
  }

  /** When it last began to be so; undefined when it is not. */
  get sinceMs(): number | undefined {
    return this.#sinceMs;
  }
}
