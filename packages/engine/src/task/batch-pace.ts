/** A task that was opened just now, or whose handlers are slow, begins with few records. */
const firstRecords = 64;

/**
 * How many records a step may take, by how long steps took: one that takes longer keeps the other tasks of its worker, its group and its requests
 * waiting. Results don't depend on it.
 */
export class BatchPace {
  records: number;
  private readonly capacity: number;
  private readonly longestMs: number;

  /** @param longestMs of a step; Infinity: as many as there is room for */
  constructor(capacity: number, longestMs: number) {
    this.capacity = capacity;
    this.longestMs = longestMs;
    this.records = longestMs === Number.POSITIVE_INFINITY ? capacity : Math.min(capacity, firstRecords);
  }

  took(records: number, ms: number): void {
    if (ms > this.longestMs) this.records = Math.max(1, Math.min(this.records, Math.floor((records * this.longestMs) / ms / 2)));
    else if (records >= this.records && ms * 4 < this.longestMs) this.records = Math.min(this.capacity, this.records * 2);
  }
}
