import {
  type ControlEvent,
  type ControlState,
  type DeploymentEntry,
  type ProcessorEntry,
  publisherOf,
  sharesRoutes,
} from "@reprise/engine";
import { RepriseError } from "@reprise/schema";

type Intent = Extract<ControlEvent, { readonly type: "CutoverIntended" }>;

export interface CutoverDemand {
  readonly processor: string;
  readonly kind: "cutover" | "rollback";
  readonly to?: string | number;
  readonly force: readonly string[];
  /** The present lag of a deployment in time, if it is known. */
  readonly lagMs: (deployment: string) => number | null;
  readonly lagLimitMs: number;
}

const overrulable = ["not-caught-up"];

/**
 * The Intent that a command for a cutover or a rollback leads to. Pure.
 * @throws RepriseError PROCESSOR_UNKNOWN, DEPLOYMENT_UNKNOWN, CUTOVER_IN_PROGRESS, ILLEGAL_STATE, NOT_CAUGHT_UP, NOT_SUPPORTED, INVALID_ARGUMENT
 */
export function planCutover(state: ControlState, demand: CutoverDemand): Intent {
  const name = demand.processor;
  for (const forced of demand.force) {
    if (!overrulable.includes(forced)) {
      throw new RepriseError("INVALID_ARGUMENT", `There is no check named '${forced}' to force; there is: ${overrulable.join(", ")}.`, {
        details: { force: forced },
      });
    }
  }
  const processor = state.processors.get(name);
  if (processor === undefined)
    throw new RepriseError("PROCESSOR_UNKNOWN", `There is no processor '${name}'.`, { details: { processor: name } });
  if (processor.pending !== undefined) {
    const { from, to, cutover } = processor.pending;
    throw new RepriseError("CUTOVER_IN_PROGRESS", `A cutover of '${name}' from ${from} to ${to} is under way.`, {
      details: { processor: name, cutover, from, to },
    });
  }
  const from = publisherOf(state, name)?.deployment;
  if (from === undefined)
    throw new RepriseError("ILLEGAL_STATE", `No deployment of '${name}' publishes yet.`, { details: { processor: name } });
  const to = demand.kind === "rollback" ? rollbackTarget(state, processor, from) : cutoverTarget(state, name, from, demand.to);
  checkStages(state.deployments.get(from), to);
  checkTarget(to, demand);
  const forced = [...demand.force];
  return {
    type: "CutoverIntended",
    cutover: `${name}.${state.revision}`,
    kind: demand.kind,
    processor: name,
    from,
    to: to.spec.id,
    forced,
  };
}

/**
 * In two internal topics the same records stand in two orders, at other offsets, and what has been seen of their time differs too. A cut through the
 * source is none through what two deployments publish from it, and a wrong seam is worse than none.
 */
function checkStages(from: DeploymentEntry | undefined, to: DeploymentEntry): void {
  if (from === undefined || sharesRoutes(from.spec, to.spec)) return;
  for (const { spec } of [from, to]) {
    const [route] = spec.routes ?? [];
    if (route === undefined) continue;
    throw new RepriseError(
      "NOT_SUPPORTED",
      `${spec.id} rekeys '${route.source.topic}' through '${route.topic}', which ${from.spec.id} and ${to.spec.id} do not share: between two internal topics there is no exact seam. Deploy with the routes of the other (--routes-of).`,
      { details: { deployment: spec.id, rekey: route.name, source: route.source.topic } },
    );
  }
}

/** Where a rollback would go: the standby that published last before. */
export function standbyBefore(state: ControlState, processor: ProcessorEntry): DeploymentEntry | undefined {
  const publisher = processor.intervals.findLast((interval) => interval.to === null)?.deployment;
  for (const { deployment } of processor.intervals.toReversed()) {
    const entry = state.deployments.get(deployment);
    if (deployment !== publisher && entry?.state === "Standby") return entry;
  }
  return undefined;
}

function rollbackTarget(state: ControlState, processor: ProcessorEntry, from: string): DeploymentEntry {
  const target = standbyBefore(state, processor);
  if (target !== undefined) return target;
  const former = processor.intervals.findLast((interval) => interval.deployment !== from)?.deployment;
  const why =
    former === undefined
      ? "no other deployment has published before"
      : `${former} is ${state.deployments.get(former)?.state ?? "gone"}, not Standby`;
  throw new RepriseError("ILLEGAL_STATE", `'${processor.name}' can't be rolled back: ${why}.`, {
    details: { processor: processor.name, from },
  });
}

function cutoverTarget(state: ControlState, processor: string, from: string, wanted: string | number | undefined): DeploymentEntry {
  const all = [...state.deployments.values()].filter(({ spec }) => spec.processor === processor);
  const byId = all.find(({ spec }) => spec.id === wanted);
  const version = wanted === undefined ? undefined : Number(String(wanted).replace(/^v/, ""));
  const alive = all.filter((entry) => !["Retiring", "Retired", "Aborted"].includes(entry.state));
  const candidates = alive.filter(({ spec }) => (version === undefined ? spec.id !== from : spec.version === version));
  const target = byId ?? candidates.sort((a, b) => a.spec.version - b.spec.version || a.createdAtMs - b.createdAtMs).at(-1);
  if (target === undefined) {
    const what = wanted === undefined ? `no deployment besides the publisher ${from}` : `no deployment '${wanted}'`;
    throw new RepriseError("DEPLOYMENT_UNKNOWN", `'${processor}' has ${what}.`, {
      details: { processor, to: wanted ?? null, publisher: from },
    });
  }
  if (target.spec.id === from) {
    throw new RepriseError("ILLEGAL_STATE", `${from} publishes already.`, {
      details: { processor, deployment: from, state: target.state },
    });
  }
  return target;
}

function checkTarget(to: DeploymentEntry, demand: CutoverDemand): void {
  const { id } = to.spec;
  const forced = demand.force.includes("not-caught-up");
  const refuse = (why: string): never => {
    throw new RepriseError("NOT_CAUGHT_UP", `${id} has not caught up: ${why}.`, { details: { deployment: id, state: to.state } });
  };
  switch (to.state) {
    case "Standby":
    case "CaughtUp": {
      // A rollback is for when something is wrong: it must work whatever the lag is.
      if (forced || demand.kind === "rollback") return;
      const lagMs = demand.lagMs(id);
      if (lagMs !== null && lagMs > demand.lagLimitMs) refuse(`it lags ${(lagMs / 1000).toFixed(1)} s behind`);
      return;
    }
    case "Starting":
    case "Replaying":
      if (!forced) refuse(`it is ${to.state}`);
      return;
    default:
      throw new RepriseError(
        "ILLEGAL_STATE",
        `${id} is ${to.state}${to.reason === undefined ? "" : ` (${to.reason})`}; it can't take over.`,
        {
          details: { deployment: id, state: to.state },
        },
      );
  }
}
