import { RepriseError } from "@reprise/schema";
import type { ConnectionOptions as TlsOptions } from "node:tls";

/** Certificates as PEM text. Without `ca` the authorities that Node and librdkafka trust by default are used. */
export interface KafkaTls {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly keyPassphrase?: string;
  /** Default true. False only for tests: anybody can then answer in the broker's place. */
  readonly rejectUnauthorized?: boolean;
}

export interface KafkaSasl {
  readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512";
  readonly username: string;
  readonly password: string;
}

/** How to reach the cluster; the same for every client that this package makes. */
export interface KafkaConnectionOptions {
  /** `host:port`, several separated by commas. */
  readonly bootstrap: string;
  /** `true`: TLS with default authorities. */
  readonly tls?: KafkaTls | boolean;
  readonly sasl?: KafkaSasl;
}

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

/** @throws RepriseError INVALID_ARGUMENT naming the part that is not `host:port` */
export function parseBootstrap(bootstrap: string): BrokerAddress[] {
  const addresses = bootstrap.split(",").map((part) => {
    const match = /^\s*(?:[A-Z_]+:\/\/)?(\[[^\]]+\]|[^\s:/]+):(\d{1,5})\s*$/.exec(part);
    const port = Number(match?.[2]);
    if (match?.[1] === undefined || port < 1 || port > 65_535) {
      throw new RepriseError("INVALID_ARGUMENT", `The Kafka bootstrap address '${part.trim()}' is not of the form host:port.`, {
        details: { bootstrap },
      });
    }
    return { host: match[1].replace(/^\[|\]$/g, ""), port };
  });
  return addresses;
}

function tlsOf(options: KafkaConnectionOptions): KafkaTls | undefined {
  if (options.tls === undefined || options.tls === false) return undefined;
  return options.tls === true ? {} : options.tls;
}

/** The same options in librdkafka's words. */
export function librdkafkaConnection(options: KafkaConnectionOptions): Record<string, string | number | boolean> {
  parseBootstrap(options.bootstrap);
  const tls = tlsOf(options);
  const settings: Record<string, string | number | boolean> = {
    "bootstrap.servers": options.bootstrap,
    "security.protocol": `${options.sasl === undefined ? "" : "sasl_"}${tls === undefined ? "plaintext" : "ssl"}`,
  };
  if (tls?.ca !== undefined) settings["ssl.ca.pem"] = tls.ca;
  if (tls?.cert !== undefined) settings["ssl.certificate.pem"] = tls.cert;
  if (tls?.key !== undefined) settings["ssl.key.pem"] = tls.key;
  if (tls?.keyPassphrase !== undefined) settings["ssl.key.password"] = tls.keyPassphrase;
  if (tls?.rejectUnauthorized === false) settings["enable.ssl.certificate.verification"] = false;
  if (options.sasl !== undefined) {
    settings["sasl.mechanisms"] = options.sasl.mechanism;
    settings["sasl.username"] = options.sasl.username;
    settings["sasl.password"] = options.sasl.password;
  }
  return settings;
}

/** The same options in the words of @platformatic/kafka's `Connection`. */
export function wireConnection(options: KafkaConnectionOptions): {
  tls?: TlsOptions;
  tlsServerName?: boolean;
  sasl?: { mechanism: KafkaSasl["mechanism"]; username: string; password: string };
} {
  const tls = tlsOf(options);
  return {
    ...(tls === undefined
      ? {}
      : {
          // The broker's own name must be in its certificate, and SNI must say it.
          tlsServerName: true,
          tls: {
            ...(tls.ca === undefined ? {} : { ca: tls.ca }),
            ...(tls.cert === undefined ? {} : { cert: tls.cert }),
            ...(tls.key === undefined ? {} : { key: tls.key }),
            ...(tls.keyPassphrase === undefined ? {} : { passphrase: tls.keyPassphrase }),
            ...(tls.rejectUnauthorized === undefined ? {} : { rejectUnauthorized: tls.rejectUnauthorized }),
          },
        }),
    ...(options.sasl === undefined
      ? {}
      : { sasl: { mechanism: options.sasl.mechanism, username: options.sasl.username, password: options.sasl.password } }),
  };
}
