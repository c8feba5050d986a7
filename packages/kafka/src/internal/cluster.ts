import { Connection, findCoordinatorV4, metadataV12 } from "@platformatic/kafka";
import { RepriseError } from "@reprise/schema";
import { type BrokerAddress, type KafkaConnectionOptions, parseBootstrap, wireConnection } from "../connection-options.ts";
import { isPassing, kafkaFailed, responseOf } from "./wire-error.ts";

/** Answer to a Metadata request. */
export type ClusterMetadata = Awaited<ReturnType<typeof metadataV12.api.async>>;

export type CoordinatorKind = "group" | "transaction";

/** One request: called with a live connection, rejects with the library's errors. */
export type WireCall<Answer> = (connection: Connection) => Promise<Answer>;

/** Raw requests to the right broker of a cluster. One connection per broker, opened when first needed. */
export interface Cluster {
  /** To any broker that answers. */
  any<Answer>(call: WireCall<Answer>): Promise<Answer>;
  at<Answer>(broker: BrokerAddress, call: WireCall<Answer>): Promise<Answer>;
  /** To the coordinator of `key`; remembered until `forgetCoordinator`. */
  coordinator<Answer>(kind: CoordinatorKind, key: string, call: WireCall<Answer>): Promise<Answer>;
  forgetCoordinator(kind: CoordinatorKind, key: string): void;
  /** Brokers and topics; `topics` null: all. Topics that are missing have `errorCode` 3 and are no rejection. */
  metadata(topics: readonly string[] | null): Promise<ClusterMetadata>;
  close(): Promise<void>;
}

export interface ClusterOptions extends KafkaConnectionOptions {
  readonly clientId?: string;
  /** Default 5 s: the longest that a dead address may hold up the next one. */
  readonly connectTimeoutMs?: number;
  /** Default 15 s. */
  readonly requestTimeoutMs?: number;
}

const keyOf = (broker: BrokerAddress): string => `${broker.host}:${broker.port}`;

export function openCluster(options: ClusterOptions): Cluster {
  const bootstrap = parseBootstrap(options.bootstrap);
  const connections = new Map<string, Promise<Connection>>();
  const coordinators = new Map<string, Promise<BrokerAddress>>();
  let closed = false;

  function connect(broker: BrokerAddress): Promise<Connection> {
    const known = connections.get(keyOf(broker));
    if (known !== undefined) return known;
    const connection = new Connection(options.clientId ?? "reprise", {
      ...wireConnection(options),
      connectTimeout: options.connectTimeoutMs ?? 5_000,
      requestTimeout: options.requestTimeoutMs ?? 15_000,
      // A request that waits on the broker must not hold up the others.
      maxInflights: 64,
    });
    const forget = (): void => {
      if (connections.get(keyOf(broker)) === opening) connections.delete(keyOf(broker));
    };
    connection.on("error", forget);
    connection.on("close", forget);
    const opening = (connection.connect(broker.host, broker.port) as Promise<void>).then(
      () => connection,
      (error: unknown) => {
        forget();
        throw error;
      },
    );
    connections.set(keyOf(broker), opening);
    return opening;
  }

  async function at<Answer>(broker: BrokerAddress, call: WireCall<Answer>): Promise<Answer> {
    if (closed) throw new RepriseError("KAFKA_FAILED", "This Kafka client was closed.");
    return await call(await connect(broker));
  }

  async function any<Answer>(call: WireCall<Answer>): Promise<Answer> {
    let failure: unknown;
    for (const broker of bootstrap) {
      try {
        return await at(broker, call);
      } catch (error) {
        // The broker answered: another one would say the same.
        if (responseOf(error) !== undefined || RepriseError.is(error)) throw error;
        failure = error;
      }
    }
    const { message, cause } = failure as { message?: string; cause?: { message?: string } };
    const why = cause?.message ?? message;
    throw new RepriseError(
      "BROKER_UNREACHABLE",
      `No Kafka broker answered at ${options.bootstrap}${why === undefined ? "" : ` (${why})`}.`,
      {
        details: { bootstrap: options.bootstrap },
        cause: failure,
      },
    );
  }

  async function findCoordinator(kind: CoordinatorKind, key: string): Promise<BrokerAddress> {
    const answer = await any((connection) => findCoordinatorV4.api.async(connection, kind === "group" ? 0 : 1, [key])).catch(
      (error: unknown) => {
        const response = responseOf<Awaited<ReturnType<typeof findCoordinatorV4.api.async>>>(error);
        if (response === undefined) throw error;
        return response;
      },
    );
    const found = answer.coordinators[0];
    if (found === undefined || found.errorCode !== 0) {
      throw kafkaFailed(`The coordinator of ${kind} '${key}'`, found?.errorCode ?? -1, found?.errorMessage);
    }
    return { host: found.host, port: found.port };
  }

  const coordinatorKey = (kind: CoordinatorKind, key: string): string => `${kind}/${key}`;

  return {
    any,
    at,
    async coordinator(kind, key, call) {
      const name = coordinatorKey(kind, key);
      let address = coordinators.get(name);
      if (address === undefined) {
        address = findCoordinator(kind, key);
        coordinators.set(name, address);
      }
      try {
        return await at(await address, call);
      } catch (error) {
        // No answer, or no coordinator: ask anew the next time.
        if (responseOf(error) === undefined) coordinators.delete(name);
        throw error;
      }
    },
    forgetCoordinator(kind, key) {
      coordinators.delete(coordinatorKey(kind, key));
    },
    async metadata(topics) {
      try {
        return await any((connection) => metadataV12.api.async(connection, topics as string[] | null, false, false));
      } catch (error) {
        const response = responseOf<ClusterMetadata>(error);
        if (response === undefined) throw error;
        return response;
      }
    },
    async close() {
      closed = true;
      const open = [...connections.values()];
      connections.clear();
      await Promise.all(open.map(async (opening) => await opening.then((connection) => connection.close()).catch(() => undefined)));
    },
  };
}

/** Kafka's code of a KAFKA_FAILED error that may pass by itself, or a connection that broke; both are worth another try. */
export function mayPass(error: unknown): boolean {
  if (RepriseError.is(error)) {
    const code = error.details["kafkaCode"];
    return error.code === "BROKER_UNREACHABLE" || (typeof code === "number" && isPassing(code));
  }
  // The library's own: NetworkError, TimeoutError. Credentials that were refused do not get better.
  const { code, cause } = error as { code?: unknown; cause?: { code?: unknown } };
  return responseOf(error) === undefined && code === "PLT_KFK_NETWORK" && cause?.code !== "PLT_KFK_AUTHENTICATION";
}
