import {
  type CommitRecord,
  type ControlEvent,
  type ControlState,
  type DeploymentEntry,
  failpoint,
  type PendingCutover,
  type ProcessorEntry,
  publisherOf,
  routeTransactionalIdOf,
  transactionalIdOf,
} from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { Cluster } from "./cluster.ts";
import { behindCut, cutOf } from "./decide/cut.ts";
import type { TaskObservation } from "./observe/observation.ts";

/** All transactional ids that a deployment was ever given. */
export function transactionalIdsOf({ spec }: DeploymentEntry): string[] {
  return Array.from({ length: spec.maxSlots }, (_, slot) => transactionalIdOf(spec.id, slot));
}

/** Those of the stages before it. */
export function routeTransactionalIdsOf({ spec }: DeploymentEntry): string[] {
  return (spec.routes ?? []).flatMap(({ topic }) =>
    Array.from({ length: spec.maxSlots }, (_, slot) => routeTransactionalIdOf(topic, spec.id, slot)),
  );
}

export function recordsOf(tasks: readonly TaskObservation[]): Map<number, CommitRecord> {
  return new Map(tasks.flatMap(({ partition, record }) => (record === undefined ? [] : [[partition, record] as const])));
}

export interface CutoverStepsOptions {
  readonly cluster: Pick<Cluster, "fence">;
  readonly state: () => ControlState;
  /** Commit records as they stand now, require-stable. */
  readonly tasks: (entry: DeploymentEntry) => Promise<TaskObservation[]>;
  /** Writes the event when `check` still holds at that moment; false: it does not. */
  readonly appendIf: (check: (state: ControlState) => boolean, event: ControlEvent, idempotencyKey: string) => Promise<boolean>;
}

/**
 * Goes on with a cutover from wherever it stands: design section 8, point 4, from step (2). Every step can be repeated by another
 * controller: fencing twice is fencing once, C is read anew as long as no Cut is decided, and a decided Cut never changes.
 */
export async function continueCutover(processor: ProcessorEntry, options: CutoverStepsOptions): Promise<void> {
  const { pending } = processor;
  if (pending === undefined) return;
  if (pending.at === undefined) await decideCut(processor, pending, options);
  else await completeWhenPassed(processor, pending, options);
}

async function decideCut(processor: ProcessorEntry, pending: PendingCutover, options: CutoverStepsOptions): Promise<void> {
  const from = entryOf(options.state(), pending.from);
  // (2) After the Intent is on the log: whoever opens a session of `from` from here on reads it and parks.
  await options.cluster.fence(transactionalIdsOf(from));
  failpoint("after-fence");
  // (3) After the fence: what is committed now is all that `from` will ever have published.
  const records = recordsOf(await options.tasks(from));
  const start = publisherOf(options.state(), processor.name)?.from ?? {};
  const at = cutOf(from.spec, start, records);
  failpoint("after-read");
  // (4) v1's interval ends and v2's begins there.
  const { cutover, to } = pending;
  await options.appendIf(
    (state) => isPending(state, processor.name, cutover) && state.processors.get(processor.name)?.pending?.at === undefined,
    { type: "CutDecided", cutover, processor: processor.name, from: pending.from, to, at },
    `cut/${cutover}`,
  );
  failpoint("after-cut");
}

/** (5) Queries switch when every task of `to` has committed at or beyond C. */
async function completeWhenPassed(processor: ProcessorEntry, pending: PendingCutover, options: CutoverStepsOptions): Promise<void> {
  const to = entryOf(options.state(), pending.to);
  const records = recordsOf(await options.tasks(to));
  if (behindCut(to.spec, pending.at ?? {}, records).length > 0) return;
  failpoint("before-completed");
  const { cutover, from } = pending;
  await options.appendIf(
    (state) => isPending(state, processor.name, cutover),
    { type: "CutoverCompleted", cutover, processor: processor.name, from, to: pending.to },
    `completed/${cutover}`,
  );
  failpoint("after-completed");
}

function isPending(state: ControlState, processor: string, cutover: string): boolean {
  return state.processors.get(processor)?.pending?.cutover === cutover;
}

function entryOf(state: ControlState, deployment: string): DeploymentEntry {
  const entry = state.deployments.get(deployment);
  if (entry === undefined)
    throw new RepriseError("CONTROL_LOST", `The control log names deployment '${deployment}' but never created it.`, {
      details: { deployment },
    });
  return entry;
}
