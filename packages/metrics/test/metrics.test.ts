import { createMetrics, metricTable, processLabels } from "@reprise/metrics";
import { describe, expect, it } from "vitest";

const quiet = { processMetrics: false };

describe("the table of metrics", () => {
  it("follows Prometheus' naming", () => {
    for (const [name, { type, labels, help, buckets }] of Object.entries(metricTable) as [
      string,
      (typeof metricTable)["reprise_batch_records"],
    ][]) {
      expect(name).toMatch(/^reprise_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith("_total"), name).toBe((type as string) === "counter");
      expect(help, name).toMatch(/^\S.*\.$/);
      for (const label of labels as readonly string[]) expect(label, name).toMatch(/^[a-z]+$/);
      expect(buckets !== undefined, name).toBe((type as string) === "histogram");
      expect(name, "base units").not.toMatch(/_(ms|millis|minutes|kb|mb)(_|$)/);
    }
  });

  it("gives a worker's metrics no label that the process gives already", () => {
    for (const [name, { scope, labels }] of Object.entries(metricTable)) {
      if (scope !== "worker") continue;
      for (const label of processLabels) expect(labels as readonly string[], name).not.toContain(label);
    }
  });
});

describe("metrics", () => {
  it("are rendered with help, type, labels and the labels of the process", async () => {
    const metrics = createMetrics({ ...quiet, defaultLabels: { processor: "fraud", version: "2", deployment: "d7" } });
    metrics.gauge("reprise_lag_records").set({ topic: "payments", partition: 3 }, 17);
    metrics.counter("reprise_commits_total").inc({});
    metrics.counter("reprise_commits_total").inc({}, 4);
    metrics.histogram("reprise_commit_duration_seconds").observe({}, 0.02);
    const page = await metrics.render();
    expect(page).toContain(`# HELP reprise_lag_records ${metricTable.reprise_lag_records.help}`);
    expect(page).toContain("# TYPE reprise_lag_records gauge");
    expect(page).toContain('reprise_lag_records{topic="payments",partition="3",processor="fraud",version="2",deployment="d7"} 17');
    expect(page).toContain('reprise_commits_total{processor="fraud",version="2",deployment="d7"} 5');
    expect(page).toContain('reprise_commit_duration_seconds_bucket{le="0.025",processor="fraud",version="2",deployment="d7"} 1');
    expect(page).toContain('reprise_commit_duration_seconds_bucket{le="0.01",processor="fraud",version="2",deployment="d7"} 0');
    expect(metrics.contentType).toMatch(/^text\/plain; version=0\.0\.4/);
  });

  it("of two processes in one test know nothing of each other", async () => {
    const [one, other] = [createMetrics(quiet), createMetrics(quiet)];
    one.counter("reprise_commits_total").inc({});
    other.counter("reprise_commits_total").inc({}, 2);
    expect(await one.render()).toContain("reprise_commits_total 1");
    expect(await other.render()).toContain("reprise_commits_total 2");
  });

  it("of the process come with it, unless they are not wanted", async () => {
    expect(await createMetrics().render()).toContain("nodejs_eventloop_lag_seconds");
    expect(await createMetrics(quiet).render()).not.toContain("nodejs_");
  });

  it("forget what was removed, and what became unknown", async () => {
    const metrics = createMetrics(quiet);
    const lag = metrics.gauge("reprise_lag_seconds");
    lag.set({ topic: "a", partition: 0 }, 1);
    lag.set({ topic: "a", partition: 1 }, 2);
    lag.set({ topic: "a", partition: 2 }, 3);
    lag.remove({ topic: "a", partition: 1 });
    lag.set({ topic: "a", partition: 2 }, Number.NaN);
    const page = await metrics.render();
    expect(page).toContain('partition="0"');
    expect(page).not.toContain('partition="1"');
    expect(page).not.toContain('partition="2"');
  });

  it("are not spoilt by amounts that are none", async () => {
    const metrics = createMetrics(quiet);
    const records = metrics.counter("reprise_records_total");
    for (const by of [3, -1, Number.NaN, 0]) records.inc({ topic: "a", partition: 0 }, by);
    metrics.histogram("reprise_commit_duration_seconds").observe({}, Number.NaN);
    const page = await metrics.render();
    expect(page).toContain('reprise_records_total{topic="a",partition="0"} 3');
    expect(page).not.toContain("NaN");
  });

  it("stay bounded in their label values, go on counting the known ones, and say what was dropped", async () => {
    const metrics = createMetrics({ ...quiet, maxSeries: 100 });
    const records = metrics.counter("reprise_records_total");
    for (let partition = 0; partition < 150; partition += 1) records.inc({ topic: "a", partition });
    records.inc({ partition: 7, topic: "a" });
    records.inc({ topic: "x".repeat(10_000), partition: 1 });
    const page = await metrics.render();
    expect(page.match(/^reprise_records_total\{/gm)).toHaveLength(100);
    expect(page).toContain('reprise_records_total{topic="a",partition="7"} 2');
    expect(page).toContain('reprise_metrics_dropped_total{metric="reprise_records_total"} 51');
    records.remove({ topic: "a", partition: 7 });
    records.inc({ topic: "b", partition: 0 });
    expect(await metrics.render()).toContain('reprise_records_total{topic="b",partition="0"} 1');
  });

  it("cut long label values and escape what needs it", async () => {
    const metrics = createMetrics(quiet);
    metrics.counter("reprise_dead_letters_total").inc({ topic: 'a"b\\c\nd', reason: "x".repeat(500) });
    const page = await metrics.render();
    expect(page).toContain(`topic="a\\"b\\\\c\\nd",reason="${"x".repeat(200)}"`);
  });
});

describe("a processor's own counters", () => {
  it("have the prefix, the processor and their labels", async () => {
    const metrics = createMetrics({ ...quiet, defaultLabels: { version: "1" } });
    metrics.userCounter("fraud", "Blocked-Payments!", "Payments that were blocked", ["reason"]).inc({ reason: "velocity" }, 2);
    metrics.userCounter("fraud", "blocked_payments_total", "Payments that were blocked", ["reason"]).inc({ reason: "velocity" });
    expect(await metrics.render()).toContain('reprise_user_blocked_payments_total{reason="velocity",processor="fraud",version="1"} 3');
  });

  it("can't take the place of Reprise's", async () => {
    const metrics = createMetrics(quiet);
    metrics.userCounter("fraud", "reprise_commits", "Mine").inc({});
    metrics.counter("reprise_commits_total").inc({});
    const page = await metrics.render();
    expect(page).toContain('reprise_user_reprise_commits_total{processor="fraud"} 1');
    expect(page).toContain("\nreprise_commits_total 1");
  });

  it("are refused by name when name or labels are wrong, or differ from before", () => {
    const metrics = createMetrics({ ...quiet, defaultLabels: { version: "1" } });
    const refused = (code: string, naming: string): unknown =>
      expect.objectContaining({ code, message: expect.stringContaining(naming) as string });
    expect(() => metrics.userCounter("fraud", "!!", "x")).toThrow(refused("INVALID_NAME", "!!"));
    expect(() => metrics.userCounter("fraud", "x".repeat(101), "x")).toThrow(refused("INVALID_NAME", "x"));
    for (const label of ["processor", "version", "a-b", "__name", "1a", ""]) {
      expect(() => metrics.userCounter("fraud", "seen", "x", [label])).toThrow(refused("INVALID_NAME", "seen"));
    }
    metrics.userCounter("fraud", "seen", "x", ["a", "b"]);
    metrics.userCounter("fraud", "seen", "x", ["b", "a"]);
    expect(() => metrics.userCounter("fraud", "seen", "x", ["a"])).toThrow(refused("DECLARATION_CONFLICT", "reprise_user_seen_total"));
  });

  it("stay bounded, whatever their labels hold", async () => {
    const metrics = createMetrics(quiet);
    const seen = metrics.userCounter("fraud", "seen", "x", ["customer"]);
    for (let customer = 0; customer < 5_000; customer += 1) seen.inc({ customer });
    const page = await metrics.render();
    expect(page.match(/^reprise_user_seen_total\{/gm)).toHaveLength(1_000);
    expect(page).toContain('reprise_metrics_dropped_total{metric="reprise_user_seen_total"} 4000');
  });
});
