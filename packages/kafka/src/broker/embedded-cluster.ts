import { openCluster } from "../internal/cluster.ts";
import { type EmbeddedBroker, newClusterId, startEmbeddedBroker } from "./embedded-broker.ts";
import { freePorts } from "./free-port.ts";

/** Several real brokers on 127.0.0.1, each a controller too. Each can be killed and restarted by itself. */
export interface EmbeddedCluster {
  readonly brokers: readonly EmbeddedBroker[];
  /** All of them, separated by commas. */
  readonly bootstrap: string;
  /** Whether every replica of every partition has what its leader has. */
  allInSync(): Promise<boolean>;
  stop(): Promise<void>;
}

/**
 * Topics are on up to three brokers, and a write is acknowledged by all that are in sync, two at least: of three brokers one may die. With
 * Java only: brokers in containers of their own would not see each other.
 * @throws RepriseError JAVA_MISSING, BROKER_START_FAILED
 */
export async function startEmbeddedCluster(count: number, { heapMb = 320 } = {}): Promise<EmbeddedCluster> {
  const ports = await freePorts(count * 2);
  const controllerPorts = ports.slice(count);
  const clusterId = newClusterId();
  const replicas = String(Math.min(3, count));
  const inSync = String(Math.min(2, count));
  const shared = {
    "controller.quorum.voters": controllerPorts.map((port, index) => `${index + 1}@127.0.0.1:${port}`).join(","),
    "default.replication.factor": replicas,
    "min.insync.replicas": inSync,
    "offsets.topic.replication.factor": replicas,
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": inSync,
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": inSync,
    // A follower that was killed is out of the way soon.
    "replica.lag.time.max.ms": "4000",
  };
  const starting = ports.slice(0, count).map((port, index) =>
    startEmbeddedBroker({
      port,
      clusterId,
      heapMb,
      settings: {
        ...shared,
        "node.id": String(index + 1),
        listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPorts[index]}`,
      },
    }),
  );
  const started = await Promise.allSettled(starting);
  const brokers = started.filter((one) => one.status === "fulfilled").map((one) => one.value);
  const failed = started.find((one) => one.status === "rejected");
  if (failed !== undefined) {
    await Promise.all(brokers.map((broker) => broker.stop()));
    throw failed.reason;
  }
  const bootstrap = brokers.map((broker) => broker.bootstrap).join(",");
  return {
    brokers,
    bootstrap,
    async allInSync() {
      const cluster = openCluster({ bootstrap });
      try {
        const { topics } = await cluster.metadata(null);
        return topics.every(({ partitions }) =>
          partitions.every((partition) => partition.isrNodes.length === partition.replicaNodes.length),
        );
      } finally {
        await cluster.close();
      }
    },
    async stop() {
      await Promise.all(brokers.map((broker) => broker.stop()));
    },
  };
}
