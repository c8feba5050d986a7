/** What differs from broker to broker. */
export interface BrokerAddresses {
  readonly port: number;
  readonly controllerPort: number;
  /** What the broker binds to: loopback on this machine, everything inside a container whose port is published on loopback. */
  readonly bindHost: string;
  readonly logFolder: string;
  /** Beside these and instead of them, by Kafka's names. */
  readonly settings?: Readonly<Record<string, string>>;
  /** One more port, for clients that come through a proxy: they are told that the broker is at 127.0.0.1:`proxyPort`. */
  readonly proxied?: { readonly port: number; readonly proxyPort: number } | undefined;
}

/**
 * The broker's settings, by Kafka's names. One node is broker and controller. What is not here is Kafka's default on purpose:
 * development should meet the time-outs and retention rules of a real cluster.
 */
export function brokerSettings(addresses: BrokerAddresses): ReadonlyMap<string, string> {
  const { bindHost, proxied } = addresses;
  const proxiedListener = proxied === undefined ? "" : `,PROXIED://${bindHost}:${proxied.port}`;
  return new Map([
    ["process.roles", "broker,controller"],
    ["node.id", "1"],
    ["controller.quorum.voters", `1@127.0.0.1:${addresses.controllerPort}`],
    ["controller.listener.names", "CONTROLLER"],
    ["inter.broker.listener.name", "PLAINTEXT"],
    ["listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT"],
    ["listeners", `PLAINTEXT://${bindHost}:${addresses.port}${proxiedListener},CONTROLLER://127.0.0.1:${addresses.controllerPort}`],
    [
      "advertised.listeners",
      `PLAINTEXT://127.0.0.1:${addresses.port}${proxied === undefined ? "" : `,PROXIED://127.0.0.1:${proxied.proxyPort}`}`,
    ],
    ["log.dirs", addresses.logFolder],
    // A first member would wait 3 s for others.
    ["group.initial.rebalance.delay.ms", "0"],
    ["offsets.topic.replication.factor", "1"],
    ["transaction.state.log.replication.factor", "1"],
    ["transaction.state.log.min.isr", "1"],
    ["share.coordinator.state.topic.replication.factor", "1"],
    ["share.coordinator.state.topic.min.isr", "1"],
    // 50 each by default: a hundred folders and index files for nothing on one node.
    ["offsets.topic.num.partitions", "4"],
    ["transaction.state.log.num.partitions", "4"],
    ["share.coordinator.state.topic.num.partitions", "1"],
    // A topic that is missing must be seen to be missing.
    ["auto.create.topics.enable", "false"],
    // After kill -9 the broker may register again only when its former self's session is over: 9 s by default.
    ["broker.session.timeout.ms", "3000"],
    ["broker.heartbeat.interval.ms", "500"],
    ["num.network.threads", "2"],
    ["num.io.threads", "4"],
    // 128 MB by default, a quarter of our heap.
    ["log.cleaner.dedupe.buffer.size", "16777216"],
    ...Object.entries(addresses.settings ?? {}),
  ]);
}

/** As a Java properties file. Backslashes (none on the systems that run this) are escaped for Java. */
export function propertiesFile(settings: ReadonlyMap<string, string>): string {
  return [...settings].map(([name, value]) => `${name}=${value.replaceAll("\\", "\\\\")}\n`).join("");
}
