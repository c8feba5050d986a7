import { deleteGroupsV2 } from "@platformatic/kafka";
import { type Cluster, mayPass } from "../internal/cluster.ts";
import { retrying } from "../internal/retry.ts";
import { answered, kafkaError, kafkaFailed } from "../internal/wire-error.ts";

export async function deleteGroups(cluster: Cluster, groups: readonly string[]): Promise<void> {
  await Promise.all(
    groups.map((group) =>
      retrying({ what: `Deleting group '${group}'`, timeoutMs: 30_000, firstDelayMs: 10, maxDelayMs: 250, mayPass }, async () => {
        const answer = await cluster.coordinator("group", group, (connection) => answered(deleteGroupsV2.api.async(connection, [group])));
        const code = answer.results[0]?.errorCode ?? 0;
        if (code === 0 || code === kafkaError.groupIdNotFound) return;
        cluster.forgetCoordinator("group", group);
        throw kafkaFailed(
          code === kafkaError.nonEmptyGroup ? `Deleting group '${group}', which still has members` : `Deleting group '${group}'`,
          code,
        );
      }),
    ),
  );
}
