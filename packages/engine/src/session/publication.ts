import { type ControlState, isParked, publisherOf } from "../control/control-state.ts";
import { sharesRoutes } from "../control/shared-routes.ts";
import type { DeploymentSpec, PositionVector } from "../control/control-event.ts";
import { offsetIn } from "../control/control-state.ts";
import type { Task } from "../task/task.ts";

/** What the control log says of a deployment, for one session. */
export type Role =
  /** Its interval is open from this vector on. */
  | { readonly kind: "publisher"; readonly from: PositionVector }
  /** It processes muted, never beyond the publisher's committed position. */
  | { readonly kind: "follower"; readonly of: string }
  /** Nobody publishes: it has nobody to follow. */
  | { readonly kind: "idle" };

export function roleOf(state: ControlState, deployment: string, processor: string): Role {
  const interval = publisherOf(state, processor);
  if (interval === undefined) return { kind: "idle" };
  return interval.deployment === deployment ? { kind: "publisher", from: interval.from } : { kind: "follower", of: interval.deployment };
}

export { isParked };

/**
 * Whether a follower has to stay behind its publisher, so that a cut between the two lies ahead of both. Where the two have internal topics that they do
 * not share there is no cut (the controller refuses it), and nothing to stay behind of.
 */
export function followsWithin(spec: DeploymentSpec, publisher: DeploymentSpec | undefined): boolean {
  return publisher === undefined || sharesRoutes(spec, publisher);
}

/** Committed positions of the publisher, per task: by input topic. */
export type FollowBounds = ReadonlyMap<number, { readonly [topic: string]: number }>;

/**
 * Tells a task how far it may go and whether it publishes there. Called between steps, so that everything that one step emits lies on one side of a
 * cut. An input that only this deployment reads is no part of a cut or of what it follows, and has no bound. Returns true when the task begins to
 * publish now.
 */
export function applyRole(task: Task, role: Role, bounds: FollowBounds): boolean {
  if (role.kind === "publisher") {
    const { position } = task;
    const reached = task.cursors.every(({ name }) => (position[name] as number) >= offsetIn(role.from, name, task.partition));
    // A cutover may be forced upon a task that still builds. It waits at the cut until it is live: what a building task commits is no decision,
    // and would be published again by whoever goes on from its local store.
    const publishing = reached && task.meta.mode === "live";
    for (const cursor of task.cursors) {
      const { name } = cursor;
      cursor.bound = publishing || role.from[name] === undefined ? Number.POSITIVE_INFINITY : offsetIn(role.from, name, task.partition);
    }
    const begins = publishing && !task.publishing;
    task.publishing = publishing;
    return begins;
  }
  task.publishing = false;
  const known = role.kind === "follower" ? bounds.get(task.partition) : undefined;
  for (const cursor of task.cursors) {
    // A broadcast table is no part of what is followed: the publisher's task is elsewhere in it, and as far as time goes that is the same.
    const bound = cursor.broadcast ? undefined : known?.[cursor.name];
    cursor.bound = known === undefined ? 0 : (bound ?? Number.POSITIVE_INFINITY);
  }
  return false;
}
