import type { CheckpointFailure, CheckpointProgress, CheckpointSize, WorkerAnnouncement } from "@reprise/engine";
import type { Metrics } from "@reprise/metrics";
import { RepriseError } from "@reprise/schema";
import type { Logger } from "pino";

const taskGauges = ["reprise_checkpoint_commit", "reprise_checkpoint_time_seconds"] as const;
const restoreGauges = [
  "reprise_restore_rows",
  "reprise_restore_total_rows",
  "reprise_restore_bytes",
  "reprise_restore_total_bytes",
] as const;

/** What a worker tells of checkpoints: written, failed, and on their way into local stores. */
export class CheckpointNews {
  private readonly metrics: Metrics;
  private readonly logger: Logger;
  private readonly failures = new Map<number, CheckpointFailure>();
  private readonly restores = new Map<number, CheckpointProgress>();

  constructor(metrics: Metrics, logger: Logger) {
    this.metrics = metrics;
    this.logger = logger;
  }

  durable(partition: number, n: number, durationMs: number, size: CheckpointSize | undefined): void {
    this.failures.delete(partition);
    this.metrics.gauge("reprise_checkpoint_commit").set({ partition }, n);
    this.metrics.gauge("reprise_checkpoint_time_seconds").set({ partition }, Date.now() / 1000);
    this.metrics.histogram("reprise_checkpoint_duration_seconds").observe({}, durationMs / 1000);
    if (size !== undefined) this.metrics.counter("reprise_checkpoint_bytes_total").inc({ kind: size.kind }, size.bytes);
    this.logger.info({ partition, n, durationMs: Math.round(durationMs), ...size }, "checkpoint is durable");
  }

  failed(partition: number, error: unknown): void {
    const code = RepriseError.is(error) ? error.code : "UNKNOWN";
    const message = error instanceof Error ? error.message : String(error);
    const before = this.failures.get(partition);
    this.failures.set(partition, {
      partition,
      code,
      message,
      sinceMs: before?.sinceMs ?? Date.now(),
      failures: (before?.failures ?? 0) + 1,
    });
    this.metrics.counter("reprise_checkpoint_failures_total").inc({ partition, reason: code });
    this.logger.error({ partition, err: error }, "checkpoint failed");
  }

  restoring(partition: number, progress: CheckpointProgress): void {
    this.restores.set(partition, progress);
    const labels = { partition };
    this.metrics.gauge("reprise_restore_rows").set(labels, progress.rows);
    this.metrics.gauge("reprise_restore_total_rows").set(labels, progress.totalRows);
    this.metrics.gauge("reprise_restore_bytes").set(labels, progress.bytes);
    this.metrics.gauge("reprise_restore_total_bytes").set(labels, progress.totalBytes);
  }

  /** Whatever it was made from. */
  opened(partition: number): void {
    if (!this.restores.delete(partition)) return;
    for (const name of restoreGauges) this.metrics.gauge(name).remove({ partition });
  }

  forget(partition: number): void {
    this.opened(partition);
    this.failures.delete(partition);
    for (const name of taskGauges) this.metrics.gauge(name).remove({ partition });
  }

  news(): Pick<WorkerAnnouncement, "checkpointFailures" | "restoring"> {
    const restoring = [...this.restores].map(([partition, progress]) => ({ partition, ...progress }));
    return {
      ...(this.failures.size === 0 ? {} : { checkpointFailures: [...this.failures.values()] }),
      ...(restoring.length === 0 ? {} : { restoring }),
    };
  }
}
