import { apiVersionsV3, Connection, type ConnectionOptions, listOffsetsV7, metadataV12, ResponseError } from "@platformatic/kafka";
import { RepriseError } from "@reprise/schema";
import type { BrokerAddress } from "../../connection-options.ts";
import { fetchApiKey, fetchMaxVersion, fetchMinVersion, type FetchRequest, writeFetchRequest } from "./fetch-request.ts";
import { type FetchResponse, parseFetchResponse } from "./fetch-response.ts";

type MetadataResponse = metadataV12.MetadataResponse;

const earliestTimestamp = -2n;
const latestTimestamp = -1n;

interface OpenConnection {
  readonly wire: Connection;
  readonly fetchVersion: number;
}

/** What a leader's log has of a partition. */
export interface OffsetRange {
  readonly earliest: number;
  readonly latest: number;
}

/**
 * One connection to one broker, opened when first used and again after it was lost. A call that fails in any way but by an answer
 * drops the connection: after a request timeout @platformatic/kafka can't find its place in the stream again.
 */
export class BrokerConnection {
  readonly address: BrokerAddress;
  readonly #clientId: string;
  readonly #options: ConnectionOptions;
  #opening: Promise<OpenConnection> | undefined;
  #open: OpenConnection | undefined;
  #closed = false;

  constructor(address: BrokerAddress, clientId: string, options: ConnectionOptions) {
    this.address = address;
    this.#clientId = clientId;
    this.#options = options;
  }

  /** @throws RepriseError NOT_SUPPORTED when the broker is older than Kafka 3.1; other errors are the network's */
  async ready(): Promise<OpenConnection> {
    if (this.#closed) throw new Error("The connection is closed.");
    if (this.#open?.wire.isConnected()) return this.#open;
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async fetch(request: FetchRequest): Promise<FetchResponse> {
    return this.#call(
      ({ wire, fetchVersion }) =>
        new Promise((resolve, reject) => {
          const create = () => writeFetchRequest(request, fetchVersion);
          wire.send<FetchResponse>(fetchApiKey, fetchVersion, create, parseFetchResponse, true, true, (error, response) => {
            if (error !== null || response === undefined) reject(error ?? new Error("No response."));
            else resolve(response);
          });
        }),
    );
  }

  /** Topics that do not exist are in the answer with their error code. */
  async metadata(topics: readonly string[]): Promise<MetadataResponse> {
    return this.#call(async ({ wire }) => {
      try {
        return await metadataV12.api.async(wire, [...topics], false, false);
      } catch (error) {
        const response = (error as { response?: MetadataResponse }).response;
        if (response !== undefined) return response;
        throw error;
      }
    });
  }

  /** Asks the leader, by name and epoch. */
  async offsets(topic: string, partition: number, leaderEpoch: number): Promise<OffsetRange> {
    return this.#call(async ({ wire }) => {
      const ask = async (timestamp: bigint): Promise<number> => {
        const partitions = [{ partitionIndex: partition, currentLeaderEpoch: leaderEpoch, timestamp }];
        const response = await listOffsetsV7.api.async(wire, -1, 0, [{ name: topic, partitions }]);
        return Number(response.topics[0]?.partitions[0]?.offset ?? -1);
      };
      return { earliest: await ask(earliestTimestamp), latest: await ask(latestTimestamp) };
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opening?.catch(() => undefined);
    this.#drop();
  }

  async #connect(): Promise<OpenConnection> {
    const { host, port } = this.address;
    const wire = new Connection(this.#clientId, this.#options);
    // Failures reach the calls; an 'error' event that nobody hears would end the process.
    wire.on("error", () => undefined);
    try {
      await wire.connect(host, port);
      const versions = await apiVersionsV3.api.async(wire, "reprise", "0.1.0");
      const fetch = versions.apiKeys.find((api) => api.apiKey === fetchApiKey);
      const fetchVersion = Math.min(fetchMaxVersion, fetch?.maxVersion ?? 0);
      if (fetch === undefined || fetchVersion < Math.max(fetchMinVersion, fetch.minVersion)) {
        throw new RepriseError(
          "NOT_SUPPORTED",
          `The broker ${host}:${port} has Fetch up to version ${fetch?.maxVersion ?? "none"}, and the columnar reader needs ${fetchMinVersion} (Kafka 3.1) or later. Use the plain reader.`,
          { details: { host, port, maxVersion: fetch?.maxVersion } },
        );
      }
      if (this.#closed) throw new Error("The connection was closed while it opened.");
      this.#open = { wire, fetchVersion };
      return this.#open;
    } catch (error) {
      wire.socket?.destroy();
      throw error;
    }
  }

  async #call<Result>(call: (open: OpenConnection) => Promise<Result>): Promise<Result> {
    const open = await this.ready();
    try {
      return await call(open);
    } catch (error) {
      if (!(error instanceof ResponseError) && this.#open === open) this.#drop();
      throw error;
    }
  }

  #drop(): void {
    this.#open?.wire.socket?.destroy();
    this.#open = undefined;
  }
}
