import { type ControlEvent, type ControlState, type DeploymentEntry, deltaTopicOf, failpoint, groupOf } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { Cluster } from "./cluster.ts";
import { routeTransactionalIdsOf, transactionalIdsOf } from "./cutover-steps.ts";

export interface RetireStepsOptions {
  readonly cluster: Pick<Cluster, "fence" | "deleteGroup" | "deleteTopic">;
  readonly removeCheckpoints: (deployment: string) => Promise<void>;
  /** Another deployment reads this internal topic too, and goes on to. */
  readonly isShared: (topic: string) => boolean;
  /** Workers that spoke within the last seconds. */
  readonly workersLeft: (deployment: string) => number;
  readonly appendIf: (check: (state: ControlState) => boolean, event: ControlEvent, idempotencyKey: string) => Promise<boolean>;
}

/**
 * Removes what belongs to a retiring deployment alone: groups, deltas, internal topics, checkpoints; never public outputs. Licensed by `Retiring`, which
 * nothing revokes; what is gone already is no error, so that it can be begun anew at any point.
 * @returns `waiting` while workers are still there
 */
export async function continueRetire(entry: DeploymentEntry, options: RetireStepsOptions): Promise<"waiting" | "retired"> {
  const { id } = entry.spec;
  const routes = (entry.spec.routes ?? []).filter(({ topic }) => !options.isShared(topic));
  // Its workers see the state on the control log and end by themselves.
  if (options.workersLeft(id) > 0) return "waiting";
  // One that is cut off and did not see it must not write any more.
  await options.cluster.fence([...transactionalIdsOf(entry), ...routeTransactionalIdsOf(entry)]);
  try {
    await options.cluster.deleteGroup(groupOf(id));
    for (const { topic } of routes) await options.cluster.deleteGroup(topic);
  } catch (error) {
    // A static member that was killed stays in the group until its session ends.
    if (RepriseError.is(error) && error.code === "KAFKA_FAILED") return "waiting";
    throw error;
  }
  failpoint("after-group-deleted");
  await options.cluster.deleteTopic(deltaTopicOf(id));
  for (const { topic } of routes) await options.cluster.deleteTopic(topic);
  failpoint("after-delta-deleted");
  await options.removeCheckpoints(id);
  failpoint("before-retired");
  await options.appendIf(
    (state) => state.deployments.get(id)?.state === "Retiring",
    { type: "DeploymentStateChanged", deployment: id, state: "Retired" },
    `retired/${id}`,
  );
  return "retired";
}
