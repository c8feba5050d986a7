import {
  EndSamples,
  type FaultCount,
  noCounts,
  type PartitionEnd,
  type RunningTask,
  type Session,
  type SessionObserver,
  type WorkerAnnouncement,
} from "@reprise/engine";
import type { Metrics } from "@reprise/metrics";
import { RepriseError } from "@reprise/schema";
import type { Logger } from "pino";
import { CheckpointNews } from "./internal/checkpoint-news.ts";
import { LateLog } from "./internal/late-log.ts";

/** How often positions and lags are sampled. */
export const sampleIntervalMs = 250;

const inputGauges = [
  "reprise_lag_records",
  "reprise_lag_seconds",
  "reprise_publisher_lag_records",
  "reprise_publisher_lag_seconds",
  "reprise_position",
  "reprise_committed_position",
  "reprise_end_offset",
  "reprise_unstable_records",
  "reprise_unstable_seconds",
] as const;
const taskGauges = [
  "reprise_stream_time_seconds",
  "reprise_held_records",
  "reprise_state_bytes",
  "reprise_deltas_from",
  "reprise_scrub_time_seconds",
] as const;

type Counters = RunningTask["task"]["counters"];
const codeOf = (error: unknown): string => (RepriseError.is(error) ? error.code : "UNKNOWN");

/** What the worker tells of itself: logs events, counts, and samples its tasks for gauges. */
export class WorkerMetrics {
  /** Tasks that stopped for good, for announcements and health. */
  readonly failures = new Map<number, { readonly partition: number; readonly code: string; readonly message: string }>();
  /** Called when a task was opened, closed or has failed. */
  onTasksChanged: () => void = () => undefined;
  private readonly metrics: Metrics;
  private readonly logger: Logger;
  /** Inputs of each task that gauges were set for. */
  private readonly sampled = new Map<number, Set<string>>();
  private readonly ends = new Map<string, { log: EndSamples; bound: EndSamples }>();
  /** Partitions whose end is held back by a transaction, and since when by this one. */
  private readonly unstable = new Map<string, { readonly lastStableOffset: number; readonly sinceMs: number }>();
  private readonly counted = new Map<number, Counters & { hits: number; misses: number; lateMerged: number }>();
  private readonly countedFaults = new Map<number, readonly FaultCount[]>();
  private readonly late: LateLog;
  private readonly checkpoints: CheckpointNews;

  constructor(metrics: Metrics, logger: Logger) {
    this.metrics = metrics;
    this.logger = logger;
    this.late = new LateLog(metrics, logger);
    this.checkpoints = new CheckpointNews(metrics, logger);
  }

  readonly observer: SessionObserver = {
    taskOpened: (partition, how, durationMs) => {
      this.failures.delete(partition);
      this.counted.delete(partition);
      this.countedFaults.delete(partition);
      this.late.forget(partition);
      this.checkpoints.opened(partition);
      this.logger.info({ partition, how, durationMs: Math.round(durationMs) }, "task opened");
      const source = how.startsWith("local") ? "local" : how.startsWith("checkpoint") ? "checkpoint" : "empty";
      this.metrics.histogram("reprise_restore_duration_seconds").observe({ source }, durationMs / 1000);
      this.onTasksChanged();
    },
    taskClosed: (partition) => {
      // Whoever has the task now tells of it; what this worker knew would stand still for ever.
      this.failures.delete(partition);
      this.forget(partition);
      this.logger.info({ partition }, "task closed");
      this.onTasksChanged();
    },
    taskFailed: (partition, error) => {
      this.fail(partition, error);
      this.logger.error({ partition, err: error }, "task stopped");
    },
    openingFailed: (partition, error, final) => {
      this.fail(partition, error);
      if (final) this.logger.error({ partition, err: error }, "task can't be opened");
      else this.logger.warn({ partition, err: error }, "task can't be opened yet; trying again");
    },
    wentLive: (partition) => this.logger.info({ partition }, "task is live"),
    startedPublishing: (partition) => this.logger.info({ partition }, "task publishes"),
    committed: (_tasks, durationMs) => {
      this.metrics.counter("reprise_commits_total").inc({});
      this.metrics.histogram("reprise_commit_duration_seconds").observe({}, durationMs / 1000);
    },
    stepped: (_partition, records, durationMs) => {
      this.metrics.histogram("reprise_batch_duration_seconds").observe({}, durationMs / 1000);
      this.metrics.histogram("reprise_batch_records").observe({}, records);
    },
    checkpointed: (partition, n, durationMs, size) => this.checkpoints.durable(partition, n, durationMs, size),
    checkpointFailed: (partition, error) => this.checkpoints.failed(partition, error),
    restoring: (partition, progress) => this.checkpoints.restoring(partition, progress),
    deltasTruncated: (partition, below) => {
      this.metrics.gauge("reprise_deltas_from").set({ partition }, below);
      this.logger.info({ partition, below }, "deltas truncated");
    },
    deltasKept: (partition, reason) => this.logger.warn({ partition, reason }, "deltas are not truncated"),
    storeDropped: (partition, { reason, message }) => {
      this.metrics.counter("reprise_stores_dropped_total").inc({ partition, reason });
      this.logger.error({ partition, reason, message }, "local store dropped");
    },
    scrubbed: (rows) => this.metrics.counter("reprise_scrubbed_rows_total").inc({}, rows),
    scrubSucceeded: (partition, rows, durationMs) => {
      this.metrics.gauge("reprise_scrub_time_seconds").set({ partition }, Date.now() / 1000);
      this.logger.debug({ partition, rows, durationMs: Math.round(durationMs) }, "local store is what its digest says");
    },
    published: (topic, records) => this.metrics.counter("reprise_output_records_total").inc({ topic }, records),
  };

  /** For announcements. */
  checkpointNews(): Pick<WorkerAnnouncement, "checkpointFailures" | "restoring"> {
    return this.checkpoints.news();
  }

  private fail(partition: number, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.failures.set(partition, { partition, code: codeOf(error), message });
    this.onTasksChanged();
  }

  sessionEnded(reason: string): void {
    this.metrics.counter("reprise_restarts_total").inc({ reason });
  }

  /** Reads what the tasks of a session are at. */
  sample(session: Session): void {
    const nowMs = Date.now();
    const running = [...session.tasks.values()].filter(({ task }) => task.failure === undefined);
    const publishing = running.filter(({ task }) => task.publishing).length;
    this.metrics.gauge("reprise_tasks").set({ state: "publishing" }, publishing);
    this.metrics.gauge("reprise_tasks").set({ state: "following" }, running.length - publishing);
    this.metrics
      .gauge("reprise_tasks")
      .set({ state: "opening" }, session.opening.filter((partition) => !this.failures.has(partition)).length);
    this.metrics.gauge("reprise_tasks").set({ state: "failed" }, this.failures.size);
    for (const task of session.tasks.values()) this.sampleTask(task, session, nowMs);
  }

  private forget(partition: number): void {
    for (const topic of this.sampled.get(partition) ?? []) {
      const labels = { topic, partition };
      for (const name of inputGauges) this.metrics.gauge(name).remove(labels);
      this.ends.delete(`${topic}-${partition}`);
      this.unstable.delete(`${topic}-${partition}`);
    }
    this.sampled.delete(partition);
    this.late.forget(partition);
    this.checkpoints.forget(partition);
    for (const name of taskGauges) this.metrics.gauge(name).remove({ partition });
  }

  private sampleTask(running: RunningTask, session: Session, nowMs: number): void {
    const { task, store } = running;
    const { partition } = task;
    for (const cursor of task.cursors) {
      // Its position is that of no partition of the task's; how far it is shows in what is merged.
      if (cursor.broadcast) continue;
      const { topic } = cursor.input;
      const end = session.endOf(topic, partition);
      if (end === undefined) continue;
      const labels = { topic, partition };
      const position = task.position[topic] ?? 0;
      let samples = this.ends.get(`${topic}-${partition}`);
      if (samples === undefined) {
        samples = { log: new EndSamples(), bound: new EndSamples() };
        this.sampled.set(partition, (this.sampled.get(partition) ?? new Set()).add(topic));
        this.ends.set(`${topic}-${partition}`, samples);
      }
      // A publisher follows nobody.
      const bound = task.publishing ? position : Math.min(cursor.bound, end.lastStableOffset);
      samples.log.add(nowMs, end.lastStableOffset);
      samples.bound.add(nowMs, bound);
      const set = (name: Parameters<Metrics["gauge"]>[0], value: number): void =>
        this.metrics.gauge(name as "reprise_lag_records").set(labels, value);
      set("reprise_lag_records", Math.max(0, end.lastStableOffset - position));
      set("reprise_lag_seconds", (samples.log.lagMs(position, nowMs) ?? Number.NaN) / 1000);
      set("reprise_publisher_lag_records", Math.max(0, bound - position));
      set("reprise_publisher_lag_seconds", task.publishing ? 0 : (samples.bound.lagMs(position, nowMs) ?? Number.NaN) / 1000);
      set("reprise_position", position);
      set("reprise_committed_position", task.meta.position[topic] ?? 0);
      set("reprise_end_offset", end.lastStableOffset);
      set("reprise_unstable_records", Math.max(0, end.highWatermark - end.lastStableOffset));
      set("reprise_unstable_seconds", this.unstableMs(`${topic}-${partition}`, end, nowMs) / 1000);
    }
    if (Number.isFinite(task.streamTimeMs)) this.metrics.gauge("reprise_stream_time_seconds").set({ partition }, task.streamTimeMs / 1000);
    this.metrics.gauge("reprise_held_records").set({ partition }, task.heldRecords);
    this.metrics.gauge("reprise_state_bytes").set({ partition }, store.approximateSizeBytes());
    this.count(running);
    this.late.sample(partition, task.late, nowMs);
  }

  /** For how long the last stable offset has stood still below the high watermark. */
  private unstableMs(name: string, { lastStableOffset, highWatermark }: PartitionEnd, nowMs: number): number {
    if (lastStableOffset >= highWatermark) {
      this.unstable.delete(name);
      return 0;
    }
    const before = this.unstable.get(name);
    if (before?.lastStableOffset === lastStableOffset) return nowMs - before.sinceMs;
    this.unstable.set(name, { lastStableOffset, sinceMs: nowMs });
    return 0;
  }

  private count(running: RunningTask): void {
    const { task } = running;
    const { partition, counters, state } = task;
    const topic = task.cursors[0]?.input.topic ?? "";
    const now = { ...counters, hits: state.hits, misses: state.misses, lateMerged: task.lateMerged };
    const before = this.counted.get(partition) ?? { ...noCounts(), hits: 0, misses: 0, lateMerged: 0 };
    this.counted.set(partition, now);
    const labels = { topic, partition };
    this.metrics.counter("reprise_records_total").inc(labels, now.records - before.records);
    this.metrics.counter("reprise_late_merged_records_total").inc(labels, now.lateMerged - before.lateMerged);
    this.metrics.counter("reprise_late_arrivals_total").inc({ partition }, now.lateRecords - before.lateRecords);
    this.metrics.counter("reprise_released_early_total").inc({ partition }, now.releasedEarly - before.releasedEarly);
    this.metrics.counter("reprise_watermarks_ignored_total").inc({ partition }, now.watermarkIgnored - before.watermarkIgnored);
    this.metrics.counter("reprise_items_unknown_total").inc({ partition }, now.itemsUnknown - before.itemsUnknown);
    this.metrics.counter("reprise_cache_hits_total").inc({ partition }, now.hits - before.hits);
    this.metrics.counter("reprise_cache_misses_total").inc({ partition }, now.misses - before.misses);
    this.countFaults(partition, task.faults);
  }

  private countFaults(partition: number, faults: readonly FaultCount[]): void {
    const before = this.countedFaults.get(partition) ?? [];
    this.countedFaults.set(
      partition,
      faults.map((fault) => ({ ...fault })),
    );
    for (const [i, { topic, code, skipped, deadLetters }] of faults.entries()) {
      const labels = { topic, reason: code };
      this.metrics.counter("reprise_skipped_records_total").inc(labels, skipped - (before[i]?.skipped ?? 0));
      this.metrics.counter("reprise_dead_letters_total").inc(labels, deadLetters - (before[i]?.deadLetters ?? 0));
    }
  }
}
