import type { ControlState, DeploymentEntry, DeploymentState } from "@reprise/engine";

/** What is known of a deployment beside the control log. */
export interface DeploymentFacts {
  /** Its topics exist. */
  readonly prepared: boolean;
  /** A worker has announced itself or a task has committed. */
  readonly started: boolean;
  /** Every task has a commit record. */
  readonly allCommitted: boolean;
  /** Lag small and all tasks live for the whole stability period. */
  readonly caughtUp: boolean;
  /** The first failure that a worker announces. */
  readonly failure?: string;
  /** After a failure: every task has been running without one long enough to say that it is over. */
  readonly recovered: boolean;
}

export interface Transition {
  readonly state: DeploymentState;
  readonly reason?: string;
}

const ends: readonly DeploymentState[] = ["Retired", "Retiring", "Aborted"];

/**
 * The state that follows from the log and the facts; undefined when it is the present one. States of the way to the catch-up only go
 * forward; those of the cutover are read from the log, so that a restarted controller writes what its predecessor could not.
 */
export function nextState(control: ControlState, entry: DeploymentEntry, facts: DeploymentFacts): Transition | undefined {
  if (ends.includes(entry.state)) return undefined;
  if (facts.failure !== undefined) {
    return entry.state === "Failed" ? undefined : { state: "Failed", reason: facts.failure };
  }
  if (entry.state === "Failed" && !facts.recovered) return undefined;
  // Whatever the log says of it meanwhile: its topics are made in this state only.
  if (entry.state === "Planned" && !facts.prepared) return undefined;
  const state = stateByLog(control, entry, facts) ?? stateByProgress(entry.state, facts);
  return state === entry.state ? undefined : { state };
}

/** Publishing, about to, or having published decides the state, however far it is. */
function stateByLog(control: ControlState, entry: DeploymentEntry, facts: DeploymentFacts): DeploymentState | undefined {
  const { id, processor: name } = entry.spec;
  const processor = control.processors.get(name);
  if (processor === undefined) return undefined;
  if (processor.pending?.to === id) return "TakingOver";
  const serves = processor.serving === id;
  if (serves && processor.intervals.length === 1) return stateOfFirst(entry.state, facts);
  // Cut away from, but queries still come here until the other one has passed the cut.
  if (serves) return "Serving";
  return processor.intervals.some((interval) => interval.deployment === id) ? "Standby" : undefined;
}

/** The first deployment of a processor is live from its start: it serves once every task has committed its base. */
function stateOfFirst(state: DeploymentState, facts: DeploymentFacts): DeploymentState {
  if (state === "Planned") return "Starting";
  return state === "Serving" || facts.allCommitted ? "Serving" : "Starting";
}

function stateByProgress(state: DeploymentState, facts: DeploymentFacts): DeploymentState {
  switch (state) {
    case "Planned":
      return "Starting";
    case "Starting":
      return facts.started ? "Replaying" : "Starting";
    case "CaughtUp":
      return "CaughtUp";
    default:
      return facts.caughtUp ? "CaughtUp" : "Replaying";
  }
}
