/** One row of the table from which `docs/metrics.md` is generated. */
export interface MetricEntry {
  readonly type: "counter" | "gauge" | "histogram";
  /** Whose it is. A worker's metrics also have `processLabels`. */
  readonly scope: "worker" | "controller" | "every";
  readonly labels: readonly string[];
  readonly help: string;
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
}

/** Labels that a worker has once for all of its metrics (`createMetrics({ defaultLabels })`). */
export const processLabels = ["processor", "version", "deployment"] as const;

const input = ["topic", "partition"] as const;
const task = ["partition"] as const;
const deployment = processLabels;
const deploymentInput = [...processLabels, "topic", "partition"] as const;

/** From a commit of an idle task (1 ms) to the transaction timeout (10 s). */
const commitSeconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
/** From a checkpoint of nothing to one of tens of gigabytes. */
const copySeconds = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3_600] as const;
const batchRecords = [1, 10, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000] as const;

/** Every metric of Reprise, by its name in Prometheus. Names are never reused for something else. */
export const metricTable = {
  // Lag and progress
  reprise_lag_records: worker(
    "gauge",
    input,
    "Last stable offset minus position: how far the task is behind the log. Counts offsets, so control records and compacted holes too.",
  ),
  reprise_lag_seconds: worker(
    "gauge",
    input,
    "Wall time since the newest moment at which the log ended where the task is now. 0 when it is at the end.",
  ),
  reprise_publisher_lag_records: worker(
    "gauge",
    input,
    "The publisher's committed position minus position; a follower goes no further. 0 for the publisher.",
  ),
  reprise_publisher_lag_seconds: worker(
    "gauge",
    input,
    "Wall time since the publisher was where the follower is now. 0 for the publisher.",
  ),
  reprise_position: worker("gauge", input, "The next offset that the task will process."),
  reprise_committed_position: worker("gauge", input, "The position that the last commit recorded."),
  reprise_end_offset: worker("gauge", input, "Last stable offset of the input partition."),
  reprise_unstable_records: worker("gauge", input, "High watermark minus last stable offset: what open transactions hold back."),
  reprise_unstable_seconds: worker(
    "gauge",
    input,
    "For how long the last stable offset has stood still below the high watermark. Growing: a hanging transaction.",
  ),
  reprise_stream_time_seconds: worker("gauge", task, "Stream time of the task, as Unix time."),
  // Work
  reprise_records_total: worker("counter", input, "Records processed."),
  reprise_output_records_total: worker("counter", ["topic"], "Records written to an output, when publishing."),
  reprise_commits_total: worker("counter", [], "Commits that succeeded."),
  reprise_commit_duration_seconds: worker("histogram", [], "From the first call of a commit until Kafka has decided it.", commitSeconds),
  reprise_batch_duration_seconds: worker("histogram", [], "Time in handlers, timers and windows per batch.", commitSeconds),
  reprise_batch_records: worker("histogram", [], "Records per batch.", batchRecords),
  reprise_tasks: worker("gauge", ["state"], "Tasks of this worker by state: publishing, following, opening, failed."),
  reprise_restarts_total: worker("counter", ["reason"], "Times that a task or the producer was opened anew, by error code."),
  // State
  reprise_state_bytes: worker("gauge", task, "Size of the local store, roughly."),
  reprise_cache_hits_total: worker("counter", task, "Rows that a batch found in the cache."),
  reprise_cache_misses_total: worker("counter", task, "Rows that a batch read from the local store."),
  reprise_checkpoint_commit: worker("gauge", task, "n of the newest checkpoint that is durable."),
  reprise_deltas_from: worker("gauge", task, "Offset below which the task's deltas were deleted last: no kept checkpoint needs them."),
  reprise_stores_dropped_total: worker(
    "counter",
    ["partition", "reason"],
    "Local stores that were dropped, and their tasks restored. Reason: STATE_CORRUPT (damage that was noticed), digest (rows are missing or wrong), STATE_OTHER_ENGINE. The first two, more than once: look at the disk.",
  ),
  reprise_scrubbed_rows_total: worker("counter", [], "Rows of local stores that were read to compare them with their digests."),
  reprise_scrub_time_seconds: worker("gauge", task, "When the task's local store was last found to be what its digest says, as Unix time."),
  reprise_checkpoint_duration_seconds: worker("histogram", [], "From the start of a checkpoint until it is durable.", copySeconds),
  reprise_checkpoint_bytes_total: worker(
    "counter",
    ["kind"],
    "Bytes stored for checkpoints; kind is changes, or whole where there was nothing to build on or too much had changed.",
  ),
  reprise_checkpoint_failures_total: worker("counter", [...task, "reason"], "Checkpoints that failed and are tried again, by error code."),
  reprise_checkpoint_time_seconds: worker("gauge", task, "When the newest checkpoint became durable, as Unix time."),
  reprise_restore_rows: worker("gauge", task, "Stored rows that were copied from a checkpoint so far; only while that goes on."),
  reprise_restore_total_rows: worker("gauge", task, "Stored rows that the checkpoint has; only while it is copied."),
  reprise_restore_bytes: worker("gauge", task, "Stored bytes that were copied from a checkpoint so far; only while that goes on."),
  reprise_restore_total_bytes: worker("gauge", task, "Stored bytes that the checkpoint has; only while it is copied."),
  reprise_restore_duration_seconds: worker(
    "histogram",
    ["source"],
    "From opening a task until its state is that of its commit record; source is local, checkpoint or empty.",
    copySeconds,
  ),
  // Records that are not like the others
  reprise_late_records_total: worker(
    "counter",
    [...task, "window", "how"],
    "Contributions that came after their window was over; how is drop, dead-letter or handle.",
  ),
  reprise_late_oldest_seconds: worker("gauge", [...task, "window"], "Smallest event time of those since the task was opened."),
  reprise_late_newest_seconds: worker("gauge", [...task, "window"], "Largest event time of those since the task was opened."),
  reprise_late_merged_records_total: worker(
    "counter",
    input,
    "Records of an input that had been passed over as drained: their order may differ in another run.",
  ),
  reprise_held_records: worker("gauge", task, 'Records that wait for their time, with order: "event-time".'),
  reprise_late_arrivals_total: worker(
    "counter",
    task,
    'Records that came below the watermark and were handled at once, with order: "event-time".',
  ),
  reprise_released_early_total: worker(
    "counter",
    task,
    "Held records that were handled before their time, because more were held than may be: what is late depends on it.",
  ),
  reprise_watermarks_ignored_total: worker("counter", task, "What records said of the watermark that was below it already."),
  reprise_items_unknown_total: worker("counter", task, "Items that were to be removed from windows and were in none that is open."),
  reprise_dead_letters_total: worker(
    "counter",
    ["topic", "reason"],
    "Records that went to the dead-letter topic, by input topic and error code.",
  ),
  reprise_skipped_records_total: worker("counter", ["topic", "reason"], "Records that were skipped, by input topic and error code."),
  // Queries
  reprise_queries_total: worker("counter", ["view", "outcome"], "Queries on a view; outcome is ok or an error code."),
  reprise_query_duration_seconds: worker("histogram", ["view"], "Time to answer a query.", commitSeconds),
  // Deployments
  reprise_deployment_state: controller("gauge", [...deployment, "state"], "1 for the state that the deployment is in, 0 for the others."),
  reprise_replay_progress_ratio: controller("gauge", deployment, "Replayed share of the log, 0 to 1."),
  reprise_replay_remaining_seconds: controller(
    "gauge",
    deployment,
    "Time until it is caught up at the present pace; absent while unknown.",
  ),
  reprise_committed_lag_records: controller(
    "gauge",
    deploymentInput,
    "Last stable offset minus the committed position, as Kafka says them: known also while no worker runs.",
  ),
  reprise_committed_lag_seconds: controller(
    "gauge",
    deploymentInput,
    "Wall time since the log ended at the committed position; absent while it is longer ago than the controller watches.",
  ),
  reprise_committed_publisher_lag_records: controller(
    "gauge",
    deploymentInput,
    "The publisher's committed position minus the committed position; only of followers.",
  ),
  reprise_committed_publisher_lag_seconds: controller(
    "gauge",
    deploymentInput,
    "Wall time since the publisher had committed this position; only of followers, absent while it is longer ago than the controller watches.",
  ),
  reprise_publishing: controller("gauge", deployment, "1 while the deployment has an open publication interval."),
  reprise_publication_intervals: controller("gauge", deployment, "Publication intervals of the deployment, closed ones included."),
  reprise_publication_interval_start_offset: controller("gauge", deploymentInput, "Where the newest publication interval begins."),
  reprise_publication_interval_end_offset: controller(
    "gauge",
    deploymentInput,
    "Where the newest publication interval ends; absent while it is open.",
  ),
  reprise_worker_restarts_total: controller("counter", deployment, "Worker processes that were started again."),
  reprise_cutovers_total: controller(
    "counter",
    ["processor", "outcome"],
    "Cutovers and rollbacks; outcome is cutover, rollback or the error code.",
  ),
  reprise_cutover_duration_seconds: controller("histogram", ["processor"], "From the intent until the new publisher serves.", copySeconds),
  reprise_leader: controller("gauge", [], "1 while this controller leads."),
  // Metrics themselves
  reprise_metrics_dropped_total: every(
    "counter",
    ["metric"],
    "Samples that were not counted, because the metric has too many label values.",
  ),
} as const satisfies { readonly [name: `reprise_${string}`]: MetricEntry };

export type MetricName = keyof typeof metricTable;

function worker<const T extends MetricEntry["type"], const L extends readonly string[]>(
  type: T,
  labels: L,
  help: string,
  buckets?: readonly number[],
) {
  return entry("worker", type, labels, help, buckets);
}

function controller<const T extends MetricEntry["type"], const L extends readonly string[]>(
  type: T,
  labels: L,
  help: string,
  buckets?: readonly number[],
) {
  return entry("controller", type, labels, help, buckets);
}

function every<const T extends MetricEntry["type"], const L extends readonly string[]>(type: T, labels: L, help: string) {
  return entry("every", type, labels, help, undefined);
}

function entry<S extends MetricEntry["scope"], T extends MetricEntry["type"], L extends readonly string[]>(
  scope: S,
  type: T,
  labels: L,
  help: string,
  buckets: readonly number[] | undefined,
): { readonly scope: S; readonly type: T; readonly labels: L; readonly help: string; readonly buckets?: readonly number[] } {
  return { scope, type, labels, help, ...(buckets === undefined ? {} : { buckets }) };
}
