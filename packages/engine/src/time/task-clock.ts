/** Event time of a task: a function of its position alone. */
export class TaskClock {
  /** Largest timestamp below the position, epoch ms; −Infinity before the first record. */
  streamTimeMs = Number.NEGATIVE_INFINITY;
  /**
   * No record older than this is expected any more: what windows and timers go by. With `order: "event-time"` it is how far everything was taken in
   * time order, and moves step by step. It never goes back.
   */
  watermarkMs = Number.NEGATIVE_INFINITY;
  /** Everything that was due at or before this has fired. Behind the watermark only while it moves. */
  settledMs = Number.NEGATIVE_INFINITY;
  /**
   * What state expires by: stream time; with `order: "event-time"`, where the watermark is what handlers go by, the watermark. While something fires
   * that is due at T, it is what it would be had time moved evenly: T + disorder, or T.
   */
  stateTimeMs = Number.NEGATIVE_INFINITY;
  private readonly disorderMs: number;
  private readonly stateByWatermark: boolean;
  private keptStateTimeMs = Number.NEGATIVE_INFINITY;
  private keptStreamTimeMs = Number.NEGATIVE_INFINITY;
  private keptWatermarkMs = Number.NEGATIVE_INFINITY;

  /**
   * @param disorderMs how far behind stream time the watermark is; Infinity: stream time does not move it
   * @param inTimeOrder handlers go by the watermark, not by stream time
   */
  constructor(disorderMs: number, inTimeOrder = false) {
    this.disorderMs = disorderMs;
    this.stateByWatermark = inTimeOrder;
  }

  /** Moves stream time; returns where the watermark belongs then. */
  move(timeMs: number): number {
    if (timeMs > this.streamTimeMs) this.streamTimeMs = timeMs;
    const watermarkMs = this.streamTimeMs - this.disorderMs;
    return watermarkMs > this.watermarkMs ? watermarkMs : this.watermarkMs;
  }

  /** State is as old as it is to the handler of a record; and between records. */
  stateAtRecord(): void {
    this.stateTimeMs = this.stateByWatermark ? this.watermarkMs : this.streamTimeMs;
  }

  /** State is as old as it is to what fires at `dueMs`. */
  stateAtDue(dueMs: number): void {
    const timeMs = this.stateByWatermark ? Math.min(dueMs, this.watermarkMs) : Math.min(dueMs + this.disorderMs, this.streamTimeMs);
    if (timeMs > this.stateTimeMs) this.stateTimeMs = timeMs;
  }

  /** Names this moment for `goBack`. */
  keep(): void {
    this.keptStateTimeMs = this.stateTimeMs;
    this.keptStreamTimeMs = this.streamTimeMs;
    this.keptWatermarkMs = this.watermarkMs;
  }

  goBack(): void {
    this.stateTimeMs = this.keptStateTimeMs;
    this.streamTimeMs = this.keptStreamTimeMs;
    this.watermarkMs = this.keptWatermarkMs;
  }
}
