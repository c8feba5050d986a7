import { setTimeout as sleep } from "node:timers/promises";
import { joinGroupV9, leaveGroupV5 } from "@platformatic/kafka";
import { RepriseError } from "@reprise/schema";
import type { KafkaConnectionOptions } from "../connection-options.ts";
import { openCluster } from "../internal/cluster.ts";
import { answered, kafkaFailed } from "../internal/wire-error.ts";
import { describeGroup } from "./group-assignment.ts";

/** Should this process die in between, the group is rid of the passing member after this; the least that brokers allow by default. */
const sessionTimeoutMs = 6_000;
const rebalanceTimeoutMs = 60_000;
/** For the group to begin its rebalance, which it does as soon as the request is there. */
const beginTimeoutMs = 10_000;

const memberIdRequired = 79;

/** Subscription of the consumer protocol, version 1: no topics, no user data, nothing owned. */
const subscribedToNothing = Buffer.from("0001" + "00000000" + "ffffffff" + "00000000", "hex");

/**
 * Makes a group of the classic protocol rebalance, whatever its members are doing: a member that wants no topic joins and leaves
 * at once. Nobody has to give anything up for that. (librdkafka has no call for it, and a subscription that names the same
 * topics again does nothing.)
 *
 * @param signal gives it up at once
 * @throws RepriseError KAFKA_FAILED, BROKER_UNREACHABLE
 */
export async function requestRebalance(
  options: KafkaConnectionOptions,
  groupId: string,
  protocol: string,
  signal: AbortSignal,
): Promise<void> {
  // Two: the broker answers nothing on a connection on which somebody waits for the group.
  const joining = openCluster({ ...options, clientId: "reprise-rebalance", requestTimeoutMs: rebalanceTimeoutMs });
  const asking = openCluster({ ...options, clientId: "reprise-rebalance" });
  const close = async (): Promise<void> => {
    await Promise.all([joining.close(), asking.close()]);
  };
  const closeNow = (): void => void close();
  signal.addEventListener("abort", closeNow);
  const join = async (memberId: string): Promise<{ errorCode: number; memberId?: string | null | undefined }> =>
    await joining.coordinator("group", groupId, (connection) =>
      answered(
        joinGroupV9.api.async(
          connection,
          groupId,
          sessionTimeoutMs,
          rebalanceTimeoutMs,
          memberId,
          null,
          "consumer",
          [{ name: protocol, metadata: subscribedToNothing }],
          "partitions without an owner",
        ),
      ),
    );
  try {
    const named = await join("");
    if (named.errorCode !== memberIdRequired || !named.memberId) {
      throw kafkaFailed(`Making group '${groupId}' rebalance`, named.errorCode);
    }
    const { memberId } = named;
    let joined: number | undefined;
    const waiting = join(memberId).then(
      (answer) => (joined = answer.errorCode),
      // Not answered when the member has left meanwhile, and closed with the connection.
      () => undefined,
    );
    await began(async () => joined !== undefined || (await describeGroup(asking, groupId)).state !== "Stable", groupId);
    if (joined !== undefined && joined !== 0) throw kafkaFailed(`Making group '${groupId}' rebalance`, joined);
    await asking.coordinator("group", groupId, (connection) =>
      answered(leaveGroupV5.api.async(connection, groupId, [{ memberId, groupInstanceId: null, reason: null }] as never)),
    );
    await joining.close();
    await waiting;
  } finally {
    signal.removeEventListener("abort", closeNow);
    await close();
  }
}

async function began(hasBegun: () => Promise<boolean>, groupId: string): Promise<void> {
  const deadline = performance.now() + beginTimeoutMs;
  while (!(await hasBegun())) {
    if (performance.now() > deadline) {
      throw new RepriseError("KAFKA_FAILED", `Group '${groupId}' did not begin to rebalance within ${beginTimeoutMs} ms.`);
    }
    await sleep(20);
  }
}
