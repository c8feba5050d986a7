import type { ConnectionOptions } from "@platformatic/kafka";
import { RepriseError } from "@reprise/schema";
import type { BrokerAddress } from "../../connection-options.ts";
import { BrokerConnection, type OffsetRange } from "./broker-connection.ts";
import type { FetchRequest } from "./fetch-request.ts";
import type { FetchResponse } from "./fetch-response.ts";

export interface PartitionLeader {
  /** -1: none at the moment. */
  readonly node: number;
  readonly epoch: number;
}

export interface TopicDescription {
  readonly errorCode: number;
  readonly topicId: string;
  readonly leaders: ReadonlyMap<number, PartitionLeader>;
}

/** What the reader needs of a cluster; the unit tests have one without a network. */
export interface Cluster {
  /** @throws RepriseError BROKER_UNREACHABLE when no broker that is known answers */
  describe(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>>;
  fetch(node: number, request: FetchRequest): Promise<FetchResponse>;
  offsets(node: number, topic: string, partition: number, leaderEpoch: number): Promise<OffsetRange>;
  close(): Promise<void>;
}

/** Brokers over @platformatic/kafka's connections: one for metadata, and one per leader for fetches (a long poll holds up what follows it). */
export class WireCluster implements Cluster {
  readonly #bootstrap: readonly BrokerAddress[];
  readonly #clientId: string;
  readonly #options: ConnectionOptions;
  readonly #leaders = new Map<number, BrokerConnection>();
  #addresses: ReadonlyMap<number, BrokerAddress> = new Map();
  #control: BrokerConnection | undefined;
  #closed = false;

  constructor(bootstrap: readonly BrokerAddress[], clientId: string, options: ConnectionOptions) {
    this.#bootstrap = bootstrap;
    this.#clientId = clientId;
    this.#options = options;
  }

  /** @throws RepriseError BROKER_UNREACHABLE, NOT_SUPPORTED */
  async connect(): Promise<void> {
    await this.describe([]);
  }

  async describe(topics: readonly string[]): Promise<ReadonlyMap<string, TopicDescription>> {
    let cause: unknown;
    for (const connection of this.#controlCandidates()) {
      try {
        const metadata = await connection.metadata(topics);
        if (this.#control !== connection) await this.#control?.close();
        this.#control = connection;
        this.#addresses = new Map(metadata.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
        return new Map(
          metadata.topics.map((topic) => [
            topic.name ?? "",
            {
              errorCode: topic.errorCode,
              topicId: topic.topicId,
              leaders: new Map(topic.partitions.map((p) => [p.partitionIndex, { node: p.leaderId, epoch: p.leaderEpoch }])),
            },
          ]),
        );
      } catch (error) {
        if (RepriseError.is(error)) throw error;
        cause = error;
        if (connection !== this.#control) await connection.close();
      }
    }
    const asked = this.#bootstrap.map(({ host, port }) => `${host}:${port}`).join(", ");
    throw new RepriseError("BROKER_UNREACHABLE", `No Kafka broker answered (bootstrap ${asked}).`, {
      cause,
      details: { bootstrap: asked },
    });
  }

  async fetch(node: number, request: FetchRequest): Promise<FetchResponse> {
    return this.#leader(node).fetch(request);
  }

  async offsets(node: number, topic: string, partition: number, leaderEpoch: number): Promise<OffsetRange> {
    return this.#leader(node).offsets(topic, partition, leaderEpoch);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const connections = [...this.#leaders.values()];
    if (this.#control !== undefined) connections.push(this.#control);
    await Promise.all(connections.map((connection) => connection.close()));
  }

  *#controlCandidates(): Generator<BrokerConnection> {
    if (this.#closed) return;
    if (this.#control !== undefined) yield this.#control;
    const tried = new Set<string>();
    for (const address of [...this.#bootstrap, ...this.#addresses.values()]) {
      const name = `${address.host}:${address.port}`;
      if (tried.has(name)) continue;
      tried.add(name);
      yield new BrokerConnection(address, this.#clientId, this.#options);
    }
  }

  #leader(node: number): BrokerConnection {
    const address = this.#addresses.get(node);
    if (address === undefined) throw new Error(`Broker ${node} is not in the cluster's metadata.`);
    const known = this.#leaders.get(node);
    if (known !== undefined && known.address.host === address.host && known.address.port === address.port) return known;
    void known?.close();
    const connection = new BrokerConnection(address, this.#clientId, this.#options);
    this.#leaders.set(node, connection);
    return connection;
  }
}
