export { type MetricEntry, type MetricName, metricTable, processLabels } from "./metric-table.ts";
export {
  type CounterHandle,
  createMetrics,
  type GaugeHandle,
  type HistogramHandle,
  type LabelSet,
  type MetricLabels,
  type MetricNameOf,
  type Metrics,
  type MetricsOptions,
} from "./metrics.ts";
