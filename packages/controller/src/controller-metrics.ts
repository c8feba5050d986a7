import type { DeploymentEntry, DeploymentState, PositionVector } from "@reprise/engine";
import { createMetrics, type GaugeHandle, type Metrics } from "@reprise/metrics";
import type { ControllerContext } from "./controller-context.ts";
import type { LagObservation } from "./observe/observation.ts";

const states: readonly DeploymentState[] = [
  "Planned",
  "Starting",
  "Replaying",
  "CaughtUp",
  "TakingOver",
  "Serving",
  "Standby",
  "Retiring",
  "Retired",
  "Failed",
  "Aborted",
];

interface DeploymentLabels {
  readonly processor: string;
  readonly version: string;
  readonly deployment: string;
}

/**
 * The controller's page for Prometheus, made when it is asked for: gauges from the control log and the last look at Kafka. Cutovers are
 * counted from the log, so a restart does not reset them.
 */
export class ControllerMetrics {
  readonly #metrics: Metrics = createMetrics();
  readonly #context: ControllerContext;
  /** Gauges set by the last page; those that the next one does not set are removed. */
  #shown = new Map<string, () => void>();
  #countedCutovers = 0;
  readonly #pids = new Map<string, number>();

  constructor(context: ControllerContext) {
    this.#context = context;
  }

  get contentType(): string {
    return this.#metrics.contentType;
  }

  /** A cutover or rollback that was not begun. */
  refused(processor: string, code: string): void {
    if (this.#context.state.processors.has(processor)) this.#metrics.counter("reprise_cutovers_total").inc({ processor, outcome: code });
  }

  async render(): Promise<string> {
    const before = this.#shown;
    this.#shown = new Map();
    this.#set("leader", this.#metrics.gauge("reprise_leader"), {}, this.#context.leading ? 1 : 0);
    for (const entry of this.#context.state.deployments.values()) if (entry.state !== "Retired") this.#deployment(entry);
    for (const [name, remove] of before) if (!this.#shown.has(name)) remove();
    this.#countCutovers();
    return this.#metrics.render();
  }

  #deployment(entry: DeploymentEntry): void {
    const { id, processor, version } = entry.spec;
    const labels: DeploymentLabels = { processor, version: String(version), deployment: id };
    for (const state of states)
      this.#set(
        `state/${id}/${state}`,
        this.#metrics.gauge("reprise_deployment_state"),
        { ...labels, state },
        state === entry.state ? 1 : 0,
      );
    this.#progress(id, labels);
    this.#intervals(id, labels);
    this.#restarts(id, labels);
  }

  #progress(id: string, labels: DeploymentLabels): void {
    const seen = this.#context.observer.observation(id);
    if (seen === undefined) return;
    const { processedRecords, totalRecords, remainingMs } = seen;
    this.#set(
      `progress/${id}`,
      this.#metrics.gauge("reprise_replay_progress_ratio"),
      labels,
      totalRecords === 0 ? 1 : processedRecords / totalRecords,
    );
    this.#set(
      `remaining/${id}`,
      this.#metrics.gauge("reprise_replay_remaining_seconds"),
      labels,
      remainingMs === null ? Number.NaN : remainingMs / 1000,
    );
    for (const { topic, partition, lag, publisherLag } of seen.partitions) {
      const place = { ...labels, topic, partition };
      this.#lag(place, "reprise_committed_lag", lag);
      if (publisherLag !== undefined) this.#lag(place, "reprise_committed_publisher_lag", publisherLag);
    }
  }

  #lag(
    labels: DeploymentLabels & { readonly topic: string; readonly partition: number },
    name: "reprise_committed_lag" | "reprise_committed_publisher_lag",
    lag: LagObservation,
  ): void {
    const key = `${name}/${labels.deployment}/${labels.topic}/${labels.partition}`;
    this.#set(`${key}/records`, this.#metrics.gauge(`${name}_records`), labels, lag.records);
    this.#set(`${key}/seconds`, this.#metrics.gauge(`${name}_seconds`), labels, lag.ms === null ? Number.NaN : lag.ms / 1000);
  }

  #intervals(id: string, labels: DeploymentLabels): void {
    const intervals = this.#context.state.processors.get(labels.processor)?.intervals.filter((one) => one.deployment === id) ?? [];
    const newest = intervals.at(-1);
    this.#set(`intervals/${id}`, this.#metrics.gauge("reprise_publication_intervals"), labels, intervals.length);
    this.#set(`publishing/${id}`, this.#metrics.gauge("reprise_publishing"), labels, newest?.to === null ? 1 : 0);
    if (newest === undefined) return;
    const vector = (what: "start" | "end", at: PositionVector): void => {
      const gauge = this.#metrics.gauge(`reprise_publication_interval_${what}_offset`);
      for (const [topic, offsets] of Object.entries(at)) {
        for (const [partition, offset] of offsets.entries())
          this.#set(`${what}/${id}/${topic}/${partition}`, gauge, { ...labels, topic, partition }, offset);
      }
    };
    vector("start", newest.from);
    if (newest.to !== null) vector("end", newest.to);
  }

  /** Another process in the same slot is a restart; the first one that is seen is none. */
  #restarts(id: string, labels: DeploymentLabels): void {
    for (const { slot, pid } of this.#context.board.workers(id)) {
      const key = `${id}/${slot}`;
      const before = this.#pids.get(key);
      if (before !== undefined && before !== pid) this.#metrics.counter("reprise_worker_restarts_total").inc(labels);
      this.#pids.set(key, pid);
    }
  }

  #countCutovers(): void {
    const { completed } = this.#context.controlLog.history;
    for (const { processor, kind, intendedAtMs, completedAtMs } of completed.slice(this.#countedCutovers)) {
      this.#metrics.counter("reprise_cutovers_total").inc({ processor, outcome: kind });
      if (completedAtMs !== undefined)
        this.#metrics.histogram("reprise_cutover_duration_seconds").observe({ processor }, (completedAtMs - intendedAtMs) / 1000);
    }
    this.#countedCutovers = completed.length;
  }

  #set<L>(name: string, gauge: GaugeHandle<L>, labels: L, value: number): void {
    gauge.set(labels, value);
    this.#shown.set(name, () => gauge.remove(labels));
  }
}
