import type { ControllerContext } from "../controller-context.ts";
import type { DeploymentEntry, DeploymentState, ProcessorEntry } from "@reprise/engine";
import { publisherOf } from "@reprise/engine";
import type { CutoverHistory } from "../control/control-history.ts";
import { behindCut } from "../decide/cut.ts";
import { standbyBefore } from "../decide/plan-cutover.ts";
import { recordsOf } from "../cutover-steps.ts";
import type { CutoverStatus, DeploymentStatus, DesiredWorkers, ProcessorStatus, ProgressStatus, Status } from "./status.ts";

/** A deployment in any other state needs no workers: it has none yet, or must not have any more. */
const running: readonly DeploymentState[] = ["Starting", "Replaying", "CaughtUp", "TakingOver", "Serving", "Standby", "Failed"];

export function statusOf(context: ControllerContext, self: { readonly url: string; readonly stabilityMs: number }): Status {
  const { state } = context;
  return {
    revision: state.revision,
    atMs: Date.now(),
    controller: { url: self.url, pid: process.pid, leading: context.leading },
    processors: [...state.processors.values()].map((processor) => processorStatus(context, processor)),
    deployments: [...state.deployments.values()].map((entry) => deploymentStatus(context, entry, self.stabilityMs)),
  };
}

export function desiredWorkersOf(entry: DeploymentEntry): DesiredWorkers {
  const { id, processor, version, artifact, workers } = entry.spec;
  const slots = running.includes(entry.state) ? Array.from({ length: workers }, (_, slot) => slot) : [];
  return { deployment: id, processor, version, artifact, state: entry.state, slots };
}

function processorStatus(context: ControllerContext, processor: ProcessorEntry): ProcessorStatus {
  const { state, controlLog } = context;
  const publisher = publisherOf(state, processor.name)?.deployment;
  const rollbackTo = standbyBefore(state, processor)?.spec.id;
  const last = controlLog.history.lastCutover(processor.name);
  const shown = last === undefined ? undefined : cutoverStatus(context, last);
  return {
    name: processor.name,
    ...(processor.serving === undefined ? {} : { serving: processor.serving }),
    ...(publisher === undefined ? {} : { publisher }),
    ...(rollbackTo === undefined ? {} : { rollbackTo }),
    intervals: processor.intervals,
    ...(shown === undefined ? {} : last?.completedAtMs === undefined ? { pending: shown } : { lastCutover: shown }),
  };
}

function cutoverStatus(context: ControllerContext, history: CutoverHistory): CutoverStatus {
  const { processor: _processor, ...rest } = history;
  const done = history.completedAtMs;
  const to = context.state.deployments.get(history.to);
  const tasks = context.observer.observation(history.to)?.tasks;
  const open = done === undefined && history.at !== undefined && to !== undefined && tasks !== undefined;
  return {
    ...rest,
    ...(done === undefined ? {} : { durationMs: done - history.intendedAtMs }),
    ...(open
      ? { recordsToCut: behindCut(to.spec, history.at ?? {}, recordsOf(tasks)).reduce((sum, { missing }) => sum + missing, 0) }
      : {}),
  };
}

function deploymentStatus(context: ControllerContext, entry: DeploymentEntry, stabilityMs: number): DeploymentStatus {
  const { spec, state, reason, createdAtMs, changedAtMs } = entry;
  const progress = progressOf(context, spec.id, stabilityMs);
  return {
    id: spec.id,
    processor: spec.processor,
    version: spec.version,
    artifact: spec.artifact,
    params: spec.params,
    state,
    ...(reason === undefined ? {} : { reason }),
    createdAtMs,
    changedAtMs,
    inputs: spec.inputs.map(({ topic }) => topic),
    tasks: spec.inputs[0]?.partitions ?? 0,
    desiredWorkers: desiredWorkersOf(entry).slots.length,
    workers: context.board.workers(spec.id),
    ...(progress === undefined ? {} : { progress }),
  };
}

function progressOf(context: ControllerContext, deployment: string, stabilityMs: number): ProgressStatus | undefined {
  const seen = context.observer.observation(deployment);
  if (seen === undefined) return undefined;
  const { atMs, processedRecords, totalRecords, recordsPerSecond, remainingMs, lag, publisherLag, partitions, live, steadySinceMs } = seen;
  return {
    atMs,
    processedRecords,
    totalRecords,
    fraction: totalRecords === 0 ? 1 : processedRecords / totalRecords,
    recordsPerSecond: Math.round(recordsPerSecond),
    remainingMs,
    lag,
    ...(publisherLag === undefined ? {} : { publisherLag }),
    partitions,
    live,
    steadyMs: steadySinceMs === undefined ? 0 : atMs - steadySinceMs,
    stabilityMs,
  };
}
