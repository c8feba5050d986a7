import { describeGroupsV5 } from "@platformatic/kafka";
import { RepriseError } from "@reprise/schema";
import type { Cluster } from "../internal/cluster.ts";
import { answered, kafkaFailed } from "../internal/wire-error.ts";

/** A group of the classic protocol, as its coordinator describes it. */
export interface GroupDescription {
  /** `Stable`: every member has its assignment. Kafka's own names. */
  readonly state: string;
  /** The assignor that the members agreed on; empty before they did. */
  readonly protocol: string;
  readonly members: readonly GroupMember[];
}

export interface GroupMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly assigned: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
}

/** @throws RepriseError KAFKA_FAILED: the coordinator can't answer now, or is another by now */
export async function describeGroup(cluster: Cluster, groupId: string): Promise<GroupDescription> {
  const answer = await cluster.coordinator("group", groupId, (connection) =>
    answered(describeGroupsV5.api.async(connection, [groupId], false)),
  );
  const group = answer.groups[0];
  if (group === undefined || group.errorCode !== 0) {
    cluster.forgetCoordinator("group", groupId);
    throw kafkaFailed(`Describing group '${groupId}'`, group?.errorCode ?? -1);
  }
  return {
    state: group.groupState,
    protocol: group.protocolData,
    members: group.members.map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.groupInstanceId ?? null,
      assigned: assignmentOf(member.memberAssignment),
    })),
  };
}

/** Those of a topic's partitions that no member has, ascending. */
export function unassignedOf(group: GroupDescription, topic: string, partitions: number): readonly number[] {
  const assigned = new Set(
    group.members.flatMap((member) => member.assigned.filter((each) => each.topic === topic).flatMap((each) => each.partitions)),
  );
  return Array.from({ length: partitions }, (_, partition) => partition).filter((partition) => !assigned.has(partition));
}

/**
 * The consumer protocol's assignment, any version: they all begin with it.
 *
 * @throws RepriseError KAFKA_FAILED: it ends too early
 */
export function assignmentOf(bytes: Buffer | null): GroupMember["assigned"] {
  // Before its first assignment a member has none.
  if (bytes === null || bytes.length === 0) return [];
  let at = 2;
  try {
    const topics = [];
    const count = bytes.readInt32BE(at);
    at += 4;
    for (let i = 0; i < count; i++) {
      const length = bytes.readInt16BE(at);
      at += 2;
      const topic = bytes.toString("utf8", at, at + length);
      at += length;
      const partitions = [];
      const many = bytes.readInt32BE(at);
      at += 4;
      for (let j = 0; j < many; j++, at += 4) partitions.push(bytes.readInt32BE(at));
      topics.push({ topic, partitions });
    }
    return topics;
  } catch (error) {
    throw new RepriseError("KAFKA_FAILED", `A group member's assignment of ${bytes.length} bytes ends before its end.`, { cause: error });
  }
}
