import { createMetrics } from "@reprise/metrics";

const metrics = createMetrics();

metrics.counter("reprise_records_total").inc({ topic: "orders", partition: 3 });
metrics.counter("reprise_commits_total").inc({}, 2);
metrics.gauge("reprise_lag_seconds").set({ topic: "orders", partition: "3" }, 0.5);
metrics.histogram("reprise_commit_duration_seconds").observe({}, 0.01);
metrics.userCounter("fraud", "blocked", "Payments that were blocked", ["reason"]).inc({ reason: "velocity" });
metrics.userCounter("fraud", "seen", "Payments").inc({});

// @ts-expect-error: there is no such metric
metrics.counter("reprise_recods_total");
// @ts-expect-error: it is a counter
metrics.gauge("reprise_records_total");
// @ts-expect-error: a counter can't be set
metrics.counter("reprise_records_total").set({ topic: "orders", partition: 3 }, 1);
// @ts-expect-error: a label is missing
metrics.counter("reprise_records_total").inc({ topic: "orders" });
// @ts-expect-error: a label too many
metrics.counter("reprise_records_total").inc({ topic: "orders", partition: 3, key: "k" });
// @ts-expect-error: it has no labels
metrics.counter("reprise_commits_total").inc({ topic: "orders" });
// @ts-expect-error: a value that is no name
metrics.gauge("reprise_lag_seconds").set({ topic: "orders", partition: { p: 3 } }, 1);
// @ts-expect-error: a label that was not declared
metrics.userCounter("fraud", "blocked", "Payments that were blocked", ["reason"]).inc({ cause: "velocity" });
