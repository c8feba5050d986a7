import { setTimeout as sleep } from "node:timers/promises";
import type { KafkaConnectionOptions } from "../connection-options.ts";
import type { Cluster } from "../internal/cluster.ts";
import { describeGroup, type GroupDescription, unassignedOf } from "./group-assignment.ts";
import { requestRebalance } from "./request-rebalance.ts";

export interface OwnerlessWatchOptions {
  readonly connection: KafkaConnectionOptions;
  readonly cluster: Cluster;
  readonly groupId: string;
  readonly topic: string;
  /** How many partitions the topic has. */
  readonly partitions: number;
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  /** Told when the group is made to rebalance. */
  readonly onOwnerless: (partitions: readonly number[]) => void;
}

/** No more than one rebalance per this many intervals when it does not help. */
const mostIntervals = 16;

/**
 * Looks after a group in which partitions are nobody's, and makes it rebalance.
 *
 * In a cooperative rebalance a member gives partitions up and joins again to have them given to others. Killed between the two,
 * and started anew under its instance id, it gets what was left to it without a rebalance (that is what static membership is
 * for): the group is stable, and what it gave up belongs to nobody, for ever. Every member looks, since the one to blame does not
 * know. Two equal looks are wanted, because between its two rebalances a group looks like that for a moment.
 */
export async function watchOwnerless(options: OwnerlessWatchOptions): Promise<void> {
  const { signal, groupId } = options;
  let before: string | undefined;
  let patience = 1;
  let looks = 0;
  while (await slept(options.intervalMs, signal)) {
    try {
      const group = await describeGroup(options.cluster, groupId);
      const ownerless = group.state === "Stable" ? unassignedOf(group, options.topic, options.partitions) : [];
      if (ownerless.length === 0) {
        before = undefined;
        if (group.state === "Stable") patience = 1;
        continue;
      }
      const now = textOf(group);
      looks = now === before ? looks + 1 : 0;
      before = now;
      if (looks < patience) continue;
      patience = Math.min(patience * 2, mostIntervals);
      before = undefined;
      options.onOwnerless(ownerless);
      await requestRebalance(options.connection, groupId, group.protocol, signal);
    } catch {
      // The next look is soon; a broker that is away is reported by those who need it more.
    }
  }
}

/** Equal for two looks at the same members with the same assignments. */
function textOf(group: GroupDescription): string {
  return group.members
    .map(({ memberId, assigned }) => `${memberId}:${assigned.map(({ topic, partitions }) => `${topic}=${partitions.join(",")}`).join(";")}`)
    .sort()
    .join("\n");
}

async function slept(ms: number, signal: AbortSignal): Promise<boolean> {
  return await sleep(ms, true, { signal, ref: false }).catch(() => false);
}
