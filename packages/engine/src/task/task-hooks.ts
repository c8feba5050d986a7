/** What a task tells its worker while it processes. All are synchronous and cheap. */
export interface TaskHooks {
  /** Wall clock; only for holding back inputs that are drained and for the size of batches, never for results. */
  nowMs(): number;
  log(level: "info" | "warn", message: string, fields: object | undefined): void;
  /** A counter that the processor declared. */
  count(metric: string, labels: { readonly [name: string]: string }, by: number): void;
}

export const silentHooks: TaskHooks = { nowMs: () => Date.now(), log() {}, count() {} };

/** Running totals of a task since it was opened. */
export interface TaskCounters {
  records: number;
  /** Values that came after their window was over, by what was done with them. */
  lateDropped: number;
  lateDeadLettered: number;
  lateHandled: number;
  skipped: number;
  deadLetters: number;
  /** With `order: "event-time"`: records that came below the watermark, and those that were taken before it because too many were held. */
  lateRecords: number;
  releasedEarly: number;
  /** What watermark functions said that was below the watermark. */
  watermarkIgnored: number;
  /** What was to be removed from windows with `items` and was in none that is open. */
  itemsUnknown: number;
}

/** Of a task that was opened just now. */
export const noCounts = (): TaskCounters => ({
  records: 0,
  lateDropped: 0,
  lateDeadLettered: 0,
  lateHandled: 0,
  skipped: 0,
  deadLetters: 0,
  lateRecords: 0,
  releasedEarly: 0,
  watermarkIgnored: 0,
  itemsUnknown: 0,
});

/** Contributions that came after a window was over, since the task was opened: what there is to replay. */
export interface LateCount {
  readonly window: string;
  readonly how: "drop" | "dead-letter" | "handle";
  /** A contribution counts once, however many windows of the declaration it is late for. */
  records: number;
  /** Smallest and largest event time among them, epoch ms. */
  fromMs: number;
  toMs: number;
}

/** Records of an input that were not handled, by error code; running totals since the task was opened. */
export interface FaultCount {
  readonly topic: string;
  readonly code: string;
  skipped: number;
  deadLetters: number;
}
