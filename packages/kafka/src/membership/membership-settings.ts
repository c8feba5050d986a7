import { type KafkaConnectionOptions, librdkafkaConnection } from "../connection-options.ts";

/** Kafka's group protocols, by `group.protocol`. */
export type GroupProtocol = "classic" | "consumer";

export interface MembershipIdentity extends KafkaConnectionOptions {
  readonly groupId: string;
  /** Static membership (KIP-345): a worker that restarts within the session time-out finds its partitions again without a rebalance. */
  readonly groupInstanceId: string;
  /** Default classic. `consumer` is KIP-848, where the broker assigns. */
  readonly protocol?: GroupProtocol;
}

/** A member that is silent for longer is dead. Equal to the transaction time-out: both bound the stall after a kill -9. */
const sessionTimeoutMs = 10_000;
/** A member that does not answer a rebalance for longer is thrown out; also how long the others wait for it. */
export const maxPollIntervalMs = 60_000;
/** How soon a member learns that a rebalance began. */
const heartbeatIntervalMs = 500;

export function membershipSettings(identity: MembershipIdentity): Record<string, string | number | boolean> {
  return {
    ...librdkafkaConnection(identity),
    "group.id": identity.groupId,
    "group.instance.id": identity.groupInstanceId,
    "max.poll.interval.ms": maxPollIntervalMs,
    "enable.auto.commit": false,
    "enable.auto.offset.store": false,
    // It never fetches; should it ever, it must not jump.
    "auto.offset.reset": "error",
    "isolation.level": "read_committed",
    "queued.min.messages": 1,
    "reconnect.backoff.ms": 10,
    "reconnect.backoff.max.ms": 1_000,
    ...(identity.protocol === "consumer"
      ? // The broker sets session and heartbeat of this protocol.
        { "group.protocol": "consumer" }
      : {
          "group.protocol": "classic",
          "partition.assignment.strategy": "cooperative-sticky",
          "session.timeout.ms": sessionTimeoutMs,
          "heartbeat.interval.ms": heartbeatIntervalMs,
        }),
  };
}
