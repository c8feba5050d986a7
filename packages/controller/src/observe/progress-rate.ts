/** Records per second over the last seconds: commits come about once a second, so anything shorter would jump. */
export class ProgressRate {
  readonly #spanMs: number;
  #samples: { readonly atMs: number; readonly processed: number }[] = [];

  constructor(spanMs = 10_000) {
    this.#spanMs = spanMs;
  }

  add(atMs: number, processed: number): void {
    const last = this.#samples.at(-1);
    // A position that fell (deployed anew, restarted while building) starts the measurement again.
    if (last !== undefined && processed < last.processed) this.#samples = [];
    this.#samples.push({ atMs, processed });
    const oldest = atMs - this.#spanMs;
    while (this.#samples.length > 2 && (this.#samples[1] as { atMs: number }).atMs <= oldest) this.#samples.shift();
  }

  get recordsPerSecond(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.atMs === first.atMs) return 0;
    return ((last.processed - first.processed) * 1000) / (last.atMs - first.atMs);
  }
}
