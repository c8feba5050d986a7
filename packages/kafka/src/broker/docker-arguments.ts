import { kafkaVersion } from "./kafka-version.ts";

export interface DockerBroker {
  readonly containerName: string;
  readonly port: number;
  /** See BrokerAddresses. */
  readonly proxiedPort?: number | undefined;
  /** On this machine; mounted, so that a kept folder stays. */
  readonly dataFolder: string;
  readonly heapMb: number;
  readonly settings: ReadonlyMap<string, string>;
  /** `uid:gid` of who owns the folder; undefined where there are none. */
  readonly user?: string;
}

/** Where the data folder is inside the container. */
export const containerDataFolder = "/var/lib/kafka/data";

/**
 * Arguments of `docker` for the official image. The image turns KAFKA_A_B into the property a.b and formats a new folder. The
 * port is published on loopback only: without the address Docker opens it to the network, past most firewalls.
 */
export function dockerRunArguments(broker: DockerBroker): string[] {
  const environment = [...broker.settings].map(([name, value]) => [`KAFKA_${name.toUpperCase().replaceAll(".", "_")}`, value] as const);
  return [
    "run",
    "--rm",
    "--name",
    broker.containerName,
    "--publish",
    `127.0.0.1:${broker.port}:${broker.port}`,
    ...(broker.proxiedPort === undefined ? [] : ["--publish", `127.0.0.1:${broker.proxiedPort}:${broker.proxiedPort}`]),
    "--volume",
    `${broker.dataFolder}:${containerDataFolder}`,
    ...(broker.user === undefined ? [] : ["--user", broker.user]),
    "--env",
    `KAFKA_HEAP_OPTS=-Xmx${broker.heapMb}m -Xms${Math.min(broker.heapMb, 256)}m`,
    ...environment.flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    `apache/kafka:${kafkaVersion}`,
  ];
}
