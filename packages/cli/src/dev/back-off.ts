const firstMs = 250;
const mostMs = 10_000;
/** Who ran for so long before it died did not die of how it was started. */
const healthyMs = 20_000;

/** How long to wait before a process that keeps dying is started again: 250 ms, doubling up to 10 s. */
export class BackOff {
  #nextMs = firstMs;

  /** `ranMs`: how long the process had been running. */
  next(ranMs: number): number {
    if (ranMs >= healthyMs) this.#nextMs = firstMs;
    const delayMs = this.#nextMs;
    this.#nextMs = Math.min(mostMs, delayMs * 2);
    return delayMs;
  }
}
