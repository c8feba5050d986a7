/**
 * Samples of (when, end) of one partition, as design section 7 has them: a reader that has reached offset E lags by the time since
 * the log (or the publisher) last ended at E. Bounded: when full, every second of the older samples is given up, so that old lags
 * are stated a little too long, never too short.
 */
export class EndSamples {
  readonly #capacity: number;
  #ends: number[] = [];
  /** When the end was last seen to be the one of the same index. */
  #lastSeenMs: number[] = [];

  constructor(capacity = 512) {
    this.#capacity = capacity;
  }

  /** An end below the one before (an unclean election, another publisher) drops the samples beyond it: nobody can reach them. */
  add(atMs: number, end: number): void {
    while (this.#ends.length > 0 && (this.#ends.at(-1) as number) > end) {
      this.#ends.pop();
      this.#lastSeenMs.pop();
    }
    if (this.#ends.at(-1) === end) {
      this.#lastSeenMs[this.#lastSeenMs.length - 1] = atMs;
      return;
    }
    this.#ends.push(end);
    this.#lastSeenMs.push(atMs);
    if (this.#ends.length > this.#capacity) this.#thin();
  }

  /** The newest end; undefined before the first sample. */
  get end(): number | undefined {
    return this.#ends.at(-1);
  }

  /** How long ago the end was last at or below `position`; undefined while no sample is that old: the lag is longer than known. */
  lagMs(position: number, nowMs: number): number | undefined {
    let low = 0;
    let high = this.#ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#ends[middle] as number) <= position) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? undefined : Math.max(0, nowMs - (this.#lastSeenMs[low - 1] as number));
  }

  #thin(): void {
    const half = this.#ends.length >>> 1;
    const keep = (_: number, index: number): boolean => index >= half || index % 2 === 0;
    this.#ends = this.#ends.filter(keep);
    this.#lastSeenMs = this.#lastSeenMs.filter(keep);
  }
}
