import { EndSamples, type RouteSession } from "@reprise/engine";
import type { Metrics } from "@reprise/metrics";

const gauges = ["reprise_lag_records", "reprise_lag_seconds", "reprise_position", "reprise_end_offset"] as const;

/** Where a route is in its source: the gauges that inputs have, under the topic of the source. */
export class RouteMetrics {
  private readonly metrics: Metrics;
  /** The source. */
  private readonly topic: string;
  private readonly ends = new Map<number, EndSamples>();

  constructor(metrics: Metrics, topic: string) {
    this.metrics = metrics;
    this.topic = topic;
  }

  /** @param session that runs now; undefined: none does */
  sample(session: Pick<RouteSession, "tasks" | "endOf"> | undefined, nowMs: number): void {
    for (const partition of [...this.ends.keys()]) if (session?.tasks.has(partition) !== true) this.forget(partition);
    for (const [partition, { position }] of session?.tasks ?? []) {
      const end = session?.endOf(partition)?.lastStableOffset;
      if (end === undefined) continue;
      const samples = this.ends.get(partition) ?? new EndSamples();
      this.ends.set(partition, samples);
      samples.add(nowMs, end);
      const labels = { topic: this.topic, partition };
      this.metrics.gauge("reprise_lag_records").set(labels, Math.max(0, end - position));
      this.metrics.gauge("reprise_lag_seconds").set(labels, (samples.lagMs(position, nowMs) ?? Number.NaN) / 1000);
      this.metrics.gauge("reprise_position").set(labels, position);
      this.metrics.gauge("reprise_end_offset").set(labels, end);
    }
  }

  private forget(partition: number): void {
    this.ends.delete(partition);
    for (const name of gauges) this.metrics.gauge(name).remove({ topic: this.topic, partition });
  }
}
