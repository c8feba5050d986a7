import type { LateCount, LateRange } from "@reprise/engine";
import type { Metrics } from "@reprise/metrics";
import type { Logger } from "pino";

/** A stream of late records must not be a stream of lines. */
const logIntervalMs = 60_000;

interface Told {
  /** Of the count, how much the counter has. */
  counted: number;
  /** Of the count, how much the log has said, and when. */
  logged: number;
  loggedAtMs: number;
}

/** What came too late for its window, by task and window: counted, and told in the log with its range of times, so that the range can be replayed. */
export class LateLog {
  private readonly metrics: Metrics;
  private readonly logger: Logger;
  /** By partition, then window. */
  private readonly told = new Map<number, Map<string, Told>>();

  constructor(metrics: Metrics, logger: Logger) {
    this.metrics = metrics;
    this.logger = logger;
  }

  sample(partition: number, late: readonly LateCount[], nowMs: number): void {
    for (const count of late) this.tell(partition, count, nowMs);
  }

  /** The task counts from 0 again, or somebody else has it. */
  forget(partition: number): void {
    for (const window of this.told.get(partition)?.keys() ?? []) {
      this.metrics.gauge("reprise_late_oldest_seconds").remove({ partition, window });
      this.metrics.gauge("reprise_late_newest_seconds").remove({ partition, window });
    }
    this.told.delete(partition);
  }

  private tell(partition: number, { window, how, records, fromMs, toMs }: LateCount, nowMs: number): void {
    let windows = this.told.get(partition);
    if (windows === undefined) this.told.set(partition, (windows = new Map<string, Told>()));
    let told = windows.get(window);
    if (told === undefined) windows.set(window, (told = { counted: 0, logged: 0, loggedAtMs: Number.NEGATIVE_INFINITY }));
    if (records > told.counted) {
      this.metrics.counter("reprise_late_records_total").inc({ partition, window, how }, records - told.counted);
      this.metrics.gauge("reprise_late_oldest_seconds").set({ partition, window }, fromMs / 1000);
      this.metrics.gauge("reprise_late_newest_seconds").set({ partition, window }, toMs / 1000);
      told.counted = records;
    }
    if (records === told.logged || nowMs - told.loggedAtMs < logIntervalMs) return;
    told.logged = records;
    told.loggedAtMs = nowMs;
    this.logger.warn(
      { partition, window, how, records, from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() },
      "contributions came after their window was over",
    );
  }
}

/** Over tasks, by window: for announcements. */
export function lateRanges(tasks: Iterable<{ readonly partition: number; readonly late: readonly LateCount[] }>): LateRange[] {
  const ranges = new Map<string, LateRange>();
  for (const { partition, late } of tasks) {
    for (const { window, how, records, fromMs, toMs } of late) {
      const known = ranges.get(window);
      ranges.set(window, {
        window,
        how,
        records: records + (known?.records ?? 0),
        fromMs: Math.min(fromMs, known?.fromMs ?? fromMs),
        toMs: Math.max(toMs, known?.toMs ?? toMs),
        partitions: [...(known?.partitions ?? []), partition],
      });
    }
  }
  return [...ranges.values()];
}
