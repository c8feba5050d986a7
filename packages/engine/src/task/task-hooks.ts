/** What a task tells its worker while it processes. All are synchronous and cheap. */
export interface TaskHooks {
  /** Wall clock; only for holding back inputs that are drained, never for results. */
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
}

/** Records of an input that were not handled, by error code; running totals since the task was opened. */
export interface FaultCount {
  readonly topic: string;
  readonly code: string;
  skipped: number;
  deadLetters: number;
}
