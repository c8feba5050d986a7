import { type EmbeddedBroker, newClusterId, startEmbeddedBroker } from "../../src/broker/embedded-broker.ts";
import { freePorts } from "../../src/broker/free-port.ts";
import { openCluster } from "../../src/internal/cluster.ts";

/**
 * Several brokers of one cluster, each a controller too; topics are on `replicas` of them, and a write is acknowledged by all that are in
 * sync, two at least. Each is stopped, killed and restarted by itself. With Java only: containers would not see each other.
 */
export async function startBrokerCluster(count: number): Promise<EmbeddedBroker[]> {
  const ports = await freePorts(count * 2);
  const [clientPorts, controllerPorts] = [ports.slice(0, count), ports.slice(count)];
  const clusterId = newClusterId();
  const replicas = String(Math.min(3, count));
  const shared = {
    "controller.quorum.voters": controllerPorts.map((port, index) => `${index + 1}@127.0.0.1:${port}`).join(","),
    "default.replication.factor": replicas,
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": replicas,
    "transaction.state.log.replication.factor": replicas,
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": replicas,
    "share.coordinator.state.topic.min.isr": "2",
    // A follower that was killed is out of the way soon.
    "replica.lag.time.max.ms": "4000",
  };
  const starting = clientPorts.map((port, index) =>
    startEmbeddedBroker({
      port,
      clusterId,
      heapMb: 320,
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
  if (failed === undefined) return brokers;
  await Promise.all(brokers.map((broker) => broker.stop()));
  throw failed.reason;
}

/** Whether every replica of every partition has what its leader has. */
export async function allInSync(bootstrap: string): Promise<boolean> {
  const cluster = openCluster({ bootstrap });
  try {
    const { topics } = await cluster.metadata(null);
    return topics.every(({ partitions }) => partitions.every((partition) => partition.isrNodes.length === partition.replicaNodes.length));
  } finally {
    await cluster.close();
  }
}
