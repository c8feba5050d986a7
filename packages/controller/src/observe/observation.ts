import type { CommitRecord, ControlState, DeploymentSpec, EndSamples } from "@reprise/engine";

/** What Kafka says of one input partition. All are next offsets. */
export interface InputEnd {
  readonly logStart: number;
  readonly lastStable: number;
}

/** One task as its commit record shows it; no record: it has committed nothing yet. */
export interface TaskObservation {
  readonly partition: number;
  readonly record?: CommitRecord;
}

/** One look at a deployment. Lags are the largest over its partitions; null: longer than the samples reach back, or not known yet. */
export interface DeploymentObservation {
  readonly deployment: string;
  readonly atMs: number;
  readonly tasks: readonly TaskObservation[];
  /** Offsets passed, and to pass to reach the end (of a follower: the publisher's position), over control records and holes. */
  readonly processedRecords: number;
  readonly totalRecords: number;
  readonly recordsPerSecond: number;
  /** Null while it can't be told: no progress yet. */
  readonly remainingMs: number | null;
  readonly lag: LagObservation;
  /** Undefined for the publisher itself. */
  readonly publisherLag?: LagObservation;
  readonly partitions: readonly PartitionLag[];
  /** All tasks are live: their bases are durable. */
  readonly live: boolean;
  /** Since when all lags have been small and all tasks live, without a break. */
  readonly steadySinceMs?: number;
}

export interface LagObservation {
  readonly records: number;
  readonly ms: number | null;
}

export interface PartitionLag {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
  readonly end: number;
  readonly lag: LagObservation;
  readonly publisherLag?: LagObservation;
}

/** The position of a task in one of its input partitions; where the log starts when it has committed nothing. */
export function positionOf(task: TaskObservation, topic: string): number {
  return task.record?.position[topic] ?? 0;
}

/** The lag of every partition: to the log, and to the publisher where it reads the same topic. */
export function partitionLags(
  spec: DeploymentSpec,
  tasks: readonly TaskObservation[],
  nowMs: number,
  ends: (topic: string, partition: number) => { readonly end: InputEnd; readonly samples: EndSamples } | undefined,
  publisher: ((topic: string, partition: number) => EndSamples | undefined) | undefined,
): PartitionLag[] {
  const lags: PartitionLag[] = [];
  for (const input of spec.inputs) {
    for (const task of tasks) {
      const known = ends(input.topic, task.partition);
      if (known === undefined) continue;
      const position = Math.max(positionOf(task, input.topic), known.end.logStart);
      const followed = publisher?.(input.topic, task.partition);
      lags.push({
        topic: input.topic,
        partition: task.partition,
        position,
        end: known.end.lastStable,
        lag: lagTo(known.samples, position, nowMs),
        ...(followed?.end === undefined ? {} : { publisherLag: lagTo(followed, position, nowMs) }),
      });
    }
  }
  return lags;
}

/** How far one partition of the source of a rekeyed input was routed. */
export interface RoutePosition {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
}

/** The lag of the stages before rekeyed inputs: what is not routed yet is not in the lag of the inputs that it is routed to. */
export function routeLags(
  routed: readonly RoutePosition[],
  nowMs: number,
  ends: (topic: string, partition: number) => { readonly end: InputEnd; readonly samples: EndSamples } | undefined,
): PartitionLag[] {
  return routed.flatMap(({ topic, partition, position }) => {
    const known = ends(topic, partition);
    if (known === undefined) return [];
    const at = Math.max(position, known.end.logStart);
    return [{ topic, partition, position: at, end: known.end.lastStable, lag: lagTo(known.samples, at, nowMs) }];
  });
}

function lagTo(samples: EndSamples, position: number, nowMs: number): LagObservation {
  const records = Math.max(0, (samples.end ?? 0) - position);
  return { records, ms: records === 0 ? 0 : (samples.lagMs(position, nowMs) ?? null) };
}

/** The sum of the records, and the longest time; null as soon as one of them is not known. */
export function totalLag(lags: readonly LagObservation[]): LagObservation {
  let records = 0;
  let ms: number | null = 0;
  for (const lag of lags) {
    records += lag.records;
    ms = ms === null || lag.ms === null ? null : Math.max(ms, lag.ms);
  }
  return { records, ms };
}

/** The deployment whose positions bound `deployment`; undefined when it is the publisher itself, or nobody publishes. */
export function followedBy(state: ControlState, deployment: string): string | undefined {
  const processor = state.deployments.get(deployment)?.spec.processor;
  const open =
    processor === undefined ? undefined : state.processors.get(processor)?.intervals.findLast((interval) => interval.to === null);
  return open === undefined || open.deployment === deployment ? undefined : open.deployment;
}
