/** Event time of a task: a function of its position alone. */
export class TaskClock {
  /** Largest timestamp below the position, epoch ms; −Infinity before the first record. */
  streamTimeMs = Number.NEGATIVE_INFINITY;
  private readonly disorderMs: number;

  constructor(disorderMs: number) {
    this.disorderMs = disorderMs;
  }

  /** No record older than this is expected any more. */
  get watermarkMs(): number {
    return this.streamTimeMs - this.disorderMs;
  }
}
