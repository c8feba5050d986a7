import { RepriseError } from "@reprise/schema";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { LabelBound } from "./internal/label-bound.ts";
import { type MetricName, metricTable } from "./metric-table.ts";

type Entry<N extends MetricName> = (typeof metricTable)[N];
/** Names of one type. */
export type MetricNameOf<T extends "counter" | "gauge" | "histogram"> = {
  [N in MetricName]: Entry<N>["type"] extends T ? N : never;
}[MetricName];
/** Exactly the labels that the table gives a metric: one more or one less does not compile. */
export type MetricLabels<N extends MetricName> = LabelSet<Entry<N>["labels"][number]>;
/** Without labels: `{}` itself would take anything. */
export type LabelSet<L extends string> = [L] extends [never] ? { readonly [label: string]: never } : { readonly [K in L]: string | number };

/** Counts up. Negative amounts and NaN are ignored, as they would spoil the series. */
export interface CounterHandle<L> {
  inc(labels: L, by?: number): void;
  /** Forgets the series of these labels, when what they name is gone. */
  remove(labels: L): void;
}

export interface GaugeHandle<L> {
  /** NaN removes the series: unknown is not 0. */
  set(labels: L, value: number): void;
  remove(labels: L): void;
}

export interface HistogramHandle<L> {
  observe(labels: L, value: number): void;
  remove(labels: L): void;
}

export interface MetricsOptions {
  /** On every metric of this process; a worker gives `processLabels`. */
  readonly defaultLabels?: { readonly [label: string]: string };
  /** `process_*` and `nodejs_*` (memory, event loop lag, garbage collection). Default true. */
  readonly processMetrics?: boolean;
  /** Label sets per metric. Default 5,000: rendering is synchronous, and 100,000 counters block the event loop for most of a second. */
  readonly maxSeries?: number;
}

/** The metrics of one process. Handles are cheap to ask for, and the same at each call. */
export interface Metrics {
  counter<N extends MetricNameOf<"counter">>(name: N): CounterHandle<MetricLabels<N>>;
  gauge<N extends MetricNameOf<"gauge">>(name: N): GaugeHandle<MetricLabels<N>>;
  histogram<N extends MetricNameOf<"histogram">>(name: N): HistogramHandle<MetricLabels<N>>;
  /**
   * What a processor's author counts: `reprise_user_<name>_total` with the label `processor` and the labels given. Characters that
   * Prometheus does not allow become `_`. Asking again with the same name and labels gives the same counter.
   * @throws RepriseError INVALID_NAME, DECLARATION_CONFLICT
   */
  userCounter<const L extends readonly string[] = readonly []>(
    processor: string,
    name: string,
    help: string,
    labels?: L,
  ): CounterHandle<LabelSet<L[number]>>;
  /** The page for Prometheus. */
  render(): Promise<string>;
  /** Its content type. */
  readonly contentType: string;
}

type AnyLabels = { readonly [label: string]: string | number };
type Metric = Counter | Gauge | Histogram;

/** Gauges of prom-client that are named like counters, which promtool rightly dislikes; what they sum up is there by type. */
const misnamed = ["nodejs_active_handles_total", "nodejs_active_requests_total", "nodejs_active_resources_total"];
const userPrefix = "reprise_user_";
/** A label of a user's counter may hold anything, such as a customer's number. */
const maxUserSeries = 1_000;

export function createMetrics(options: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  if (options.defaultLabels !== undefined) registry.setDefaultLabels({ ...options.defaultLabels });
  if (options.processMetrics ?? true) {
    collectDefaultMetrics({ register: registry });
    for (const name of misnamed) registry.removeSingleMetric(name);
  }
  const maxSeries = options.maxSeries ?? 5_000;
  const metrics = new Map<string, Metric>();
  const bounds = new Map<Metric, LabelBound>();
  const users = new Map<string, { readonly counter: Counter; readonly labels: string }>();

  function boundOf(metric: Metric, name: string, max: number): LabelBound {
    let bound = bounds.get(metric);
    if (bound === undefined) {
      bound = new LabelBound(max, () => (metricOf("reprise_metrics_dropped_total") as Counter).inc({ metric: name }));
      bounds.set(metric, bound);
    }
    return bound;
  }

  function metricOf(name: MetricName): Metric {
    let metric = metrics.get(name);
    if (metric === undefined) {
      const { type, help, labels, buckets } = metricTable[name];
      const settings = { name, help, labelNames: [...labels], registers: [registry] };
      if (type === "counter") metric = new Counter(settings);
      else if (type === "gauge") metric = new Gauge(settings);
      else metric = new Histogram({ ...settings, buckets: [...(buckets ?? [])] });
      metrics.set(name, metric);
    }
    return metric;
  }

  function userCounter(processor: string, given: string, help: string, labels: readonly string[] = []): CounterHandle<AnyLabels> {
    const name = userName(given);
    for (const label of labels) checkUserLabel(given, label, Object.keys(options.defaultLabels ?? {}));
    const key = [...labels].sort().join(",");
    let user = users.get(name);
    if (user === undefined) {
      user = { counter: new Counter({ name, help, labelNames: ["processor", ...labels], registers: [registry] }), labels: key };
      users.set(name, user);
    }
    if (user.labels !== key) {
      const details = { name, labels: key, before: user.labels };
      throw new RepriseError(
        "DECLARATION_CONFLICT",
        `The counter ${name} was declared before with the labels (${user.labels}), now with (${key}).`,
        { details },
      );
    }
    const handle = counterHandle(user.counter, boundOf(user.counter, name, Math.min(maxUserSeries, maxSeries)));
    return {
      inc: (values, by) => handle.inc({ ...values, processor }, by),
      remove: (values) => handle.remove({ ...values, processor }),
    };
  }

  const bound = (name: MetricName): [Metric, LabelBound] => [metricOf(name), boundOf(metricOf(name), name, maxSeries)];
  const made: { [K in "counter" | "gauge" | "histogram"]: (name: MetricName) => unknown } = {
    counter: (name) => counterHandle(...(bound(name) as [Counter, LabelBound])),
    gauge: (name) => gaugeHandle(...(bound(name) as [Gauge, LabelBound])),
    histogram: (name) => histogramHandle(...(bound(name) as [Histogram, LabelBound])),
  };
  const handles = new Map<string, unknown>();
  const handleOf = (name: MetricName): unknown => {
    const known = handles.get(name);
    if (known !== undefined) return known;
    const handle = made[metricTable[name].type](name);
    handles.set(name, handle);
    return handle;
  };
  return {
    counter: (name) => handleOf(name) as never,
    gauge: (name) => handleOf(name) as never,
    histogram: (name) => handleOf(name) as never,
    userCounter: userCounter as Metrics["userCounter"],
    render: () => registry.metrics(),
    contentType: registry.contentType,
  };
}

function counterHandle(counter: Counter, bound: LabelBound): CounterHandle<AnyLabels> {
  return {
    inc(labels, by = 1) {
      const values = bound.admit(labels);
      if (values !== undefined && by > 0 && Number.isFinite(by)) counter.inc(values, by);
    },
    remove: (labels) => counter.remove(bound.forget(labels)),
  };
}

function gaugeHandle(gauge: Gauge, bound: LabelBound): GaugeHandle<AnyLabels> {
  return {
    set(labels, value) {
      if (Number.isNaN(value)) {
        gauge.remove(bound.forget(labels));
        return;
      }
      const values = bound.admit(labels);
      if (values !== undefined) gauge.set(values, value);
    },
    remove: (labels) => gauge.remove(bound.forget(labels)),
  };
}

function histogramHandle(histogram: Histogram, bound: LabelBound): HistogramHandle<AnyLabels> {
  return {
    observe(labels, value) {
      const values = bound.admit(labels);
      if (values !== undefined && Number.isFinite(value)) histogram.observe(values, value);
    },
    remove: (labels) => histogram.remove(bound.forget(labels)),
  };
}

function userName(given: string): string {
  const name = given
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, "_")
    .replace(/^_+|_+$/g, "")
    .replace(/_total$/, "");
  if (name.length === 0 || name.length > 100) {
    throw new RepriseError("INVALID_NAME", `"${given}" is no name of a counter: use letters, digits and _, up to 100.`, {
      details: { name: given },
    });
  }
  return `${userPrefix}${name}_total`;
}

function checkUserLabel(counter: string, label: string, taken: readonly string[]): void {
  const reserved = label === "processor" || taken.includes(label);
  if (/^[a-zA-Z_][a-zA-Z0-9_]*$/.test(label) && !label.startsWith("__") && !reserved) return;
  const why = reserved ? "Reprise sets it itself" : "use letters, digits and _";
  throw new RepriseError("INVALID_NAME", `"${label}" can't be a label of the counter ${counter}: ${why}.`, { details: { counter, label } });
}
