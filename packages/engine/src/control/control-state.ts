import type { ControlEvent, ControlRecord, DeploymentSpec, DeploymentState, PositionVector } from "./control-event.ts";

/** Who publishes what: from `from` (inclusive) to `to` (exclusive), or open. Half-open per partition. */
export interface PublicationInterval {
  readonly deployment: string;
  readonly from: PositionVector;
  readonly to: PositionVector | null;
}

export interface PendingCutover {
  readonly cutover: string;
  readonly kind: "cutover" | "rollback";
  readonly from: string;
  readonly to: string;
  readonly forced: readonly string[];
  readonly intendedAtMs: number;
  /** Set once the Cut is decided; the cutover is completed when all tasks of `to` passed it. */
  readonly at?: PositionVector;
}

export interface DeploymentEntry {
  readonly spec: DeploymentSpec;
  readonly state: DeploymentState;
  readonly reason?: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
}

export interface ProcessorEntry {
  readonly name: string;
  /** Oldest first; the last one is open. */
  readonly intervals: readonly PublicationInterval[];
  readonly pending?: PendingCutover;
  /** The deployment whose views answer queries. */
  readonly serving?: string;
}

/** The fold of the control topic. `revision` is the next offset of the control topic: it names a state. */
export interface ControlState {
  readonly revision: number;
  readonly deployments: ReadonlyMap<string, DeploymentEntry>;
  readonly processors: ReadonlyMap<string, ProcessorEntry>;
  /** Idempotency keys that took effect → the revision at which they did. */
  readonly applied: ReadonlyMap<string, number>;
}

export const emptyControlState: ControlState = { revision: 0, deployments: new Map(), processors: new Map(), applied: new Map() };

/** Pure: the state after one more record, `offset` being the record's offset on the control topic. */
export function foldControl(state: ControlState, record: ControlRecord, offset: number): ControlState {
  const deployments = new Map(state.deployments);
  const processors = new Map(state.processors);
  const applied = new Map(state.applied).set(record.idempotencyKey, offset + 1);
  applyEvent(record.event, record.atMs, deployments, processors);
  return { revision: offset + 1, deployments, processors, applied };
}

function applyEvent(
  event: ControlEvent,
  atMs: number,
  deployments: Map<string, DeploymentEntry>,
  processors: Map<string, ProcessorEntry>,
): void {
  switch (event.type) {
    case "DeploymentCreated": {
      const spec = event.deployment;
      deployments.set(spec.id, { spec, state: "Planned", createdAtMs: atMs, changedAtMs: atMs });
      const before: ProcessorEntry = processors.get(spec.processor) ?? { name: spec.processor, intervals: [] };
      processors.set(
        spec.processor,
        event.publishes
          ? { ...before, serving: spec.id, intervals: [...before.intervals, { deployment: spec.id, from: {}, to: null }] }
          : before,
      );
      return;
    }
    case "DeploymentStateChanged": {
      const entry = deployments.get(event.deployment);
      if (entry === undefined || entry.state === "Retired") return;
      const { reason: _old, ...rest } = entry;
      deployments.set(event.deployment, {
        ...rest,
        state: event.state,
        changedAtMs: atMs,
        ...(event.reason === undefined ? {} : { reason: event.reason }),
      });
      return;
    }
    case "CutoverIntended": {
      const entry = processors.get(event.processor);
      if (entry === undefined) return;
      const { cutover, kind, from, to, forced } = event;
      processors.set(event.processor, { ...entry, pending: { cutover, kind, from, to, forced, intendedAtMs: atMs } });
      return;
    }
    case "CutDecided": {
      const entry = processors.get(event.processor);
      if (entry?.pending === undefined || entry.pending.cutover !== event.cutover || entry.pending.at !== undefined) return;
      const closed = entry.intervals.map((interval) => (interval.to === null ? { ...interval, to: event.at } : interval));
      processors.set(event.processor, {
        ...entry,
        pending: { ...entry.pending, at: event.at },
        intervals: [...closed, { deployment: event.to, from: event.at, to: null }],
      });
      return;
    }
    case "CutoverCompleted": {
      const entry = processors.get(event.processor);
      if (entry?.pending === undefined || entry.pending.cutover !== event.cutover) return;
      const { pending: _done, ...rest } = entry;
      processors.set(event.processor, { ...rest, serving: event.to });
      return;
    }
  }
}

/** The open interval's deployment: the publisher by the log. Undefined before any deployment publishes. */
export function publisherOf(state: ControlState, processor: string): PublicationInterval | undefined {
  return state.processors.get(processor)?.intervals.findLast((interval) => interval.to === null);
}

/** The Intent under which `deployment` must not begin to commit: it is being cut away from, and the Cut is not decided yet. */
export function isParked(state: ControlState, deployment: string): boolean {
  const processor = state.deployments.get(deployment)?.spec.processor;
  const pending = processor === undefined ? undefined : state.processors.get(processor)?.pending;
  return pending !== undefined && pending.from === deployment && pending.at === undefined;
}

/** The offset that a vector names for a partition; 0 when it names none. */
export function offsetIn(vector: PositionVector, topic: string, partition: number): number {
  return vector[topic]?.[partition] ?? 0;
}

/** Whether a deployment published from its start: its state at n = 0 is the empty one. */
export function publishesFromItsStart(state: ControlState, { id, processor }: Pick<DeploymentSpec, "id" | "processor">): boolean {
  const first = state.processors.get(processor)?.intervals[0];
  return first !== undefined && first.deployment === id && Object.keys(first.from).length === 0;
}
