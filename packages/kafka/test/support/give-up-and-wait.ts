// A process that joins a group as (bootstrap, group, topic, instance id), says 'assigned' and 'revoked' with the partitions, answers no
// revocation, and waits to be killed.
import { createMembership } from "../../src/membership/membership.ts";

const [bootstrap, groupId, topic, groupInstanceId] = process.argv.slice(2);
if (bootstrap === undefined || groupId === undefined || topic === undefined || groupInstanceId === undefined)
  throw new Error("bootstrap, group, topic and instance id are needed");
const membership = createMembership({ bootstrap, groupId, topic, groupInstanceId, ownerlessIntervalMs: 60_000 });
await membership.join({
  onAssigned: async (partitions) => console.log(`assigned ${partitions.join(",")}`),
  onRevoked: async (partitions) => {
    console.log(`revoked ${partitions.join(",")}`);
    await new Promise(() => undefined);
  },
  onError: (error) => {
    console.error(error);
  },
});
