import { type Duration, parseDuration, RepriseError } from "@reprise/schema";
import { checkOptions, refuseDeclaration } from "../internal/check-options.ts";

export type SaslConfig =
  | { readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512"; readonly username: string; readonly password: string }
  | { readonly mechanism: "oauthbearer"; readonly token: () => Promise<{ readonly value: string; readonly expiresAt: number }> };

export interface KafkaConfig {
  /** `host:port`, several separated by commas. */
  readonly brokers: string;
  readonly tls?: boolean | { readonly caFile: string };
  readonly sasl?: SaslConfig;
}

/** What `reprise.config.ts` exports. Patterns of files are relative to it. */
export interface Config {
  readonly processors: readonly string[];
  readonly effects?: readonly string[];
  readonly kafka: KafkaConfig;
  readonly registry?: { readonly url: string; readonly auth?: string };
  readonly topics?: {
    readonly prefix?: string;
    readonly rename?: { readonly [logical: string]: string };
    readonly create?: boolean;
    readonly replication?: number;
  };
  readonly checkpoints?: { readonly url: string; readonly every?: Duration; readonly keep?: number };
  readonly artifacts?: { readonly url: string };
  readonly params?: { readonly [processor: string]: object };
}

const configBrand: unique symbol = Symbol.for("reprise.config") as never;

/**
 * Checks a configuration and hands it back.
 * @throws RepriseError INVALID_DECLARATION, INVALID_ARGUMENT, naming the setting
 */
export function defineConfig(o: Config): Config {
  checkOptions(o, ["processors", "effects", "kafka", "registry", "topics", "checkpoints", "artifacts", "params"], "config");
  checkStrings(o.processors, "config: processors");
  if (o.effects !== undefined) checkStrings(o.effects, "config: effects");
  checkOptions(o.kafka, ["brokers", "tls", "sasl"], "config: kafka");
  if (typeof o.kafka.brokers !== "string" || o.kafka.brokers.length === 0)
    refuseDeclaration("config: kafka.brokers", 'expected "host:port"');
  if (o.topics !== undefined) checkOptions(o.topics, ["prefix", "rename", "create", "replication"], "config: topics");
  if (o.checkpoints !== undefined) {
    checkOptions(o.checkpoints, ["url", "every", "keep"], "config: checkpoints");
    if (o.checkpoints.every !== undefined) parseDuration(o.checkpoints.every, "config: checkpoints.every");
  }
  return Object.freeze({ ...o, [configBrand]: true });
}

/**
 * What a configuration file exports, as a Config; of any copy of this package.
 * @throws RepriseError INVALID_DECLARATION when it did not come from `defineConfig`
 */
export function configOf(exported: unknown): Config {
  if (typeof exported === "object" && exported !== null && (exported as { readonly [configBrand]?: boolean })[configBrand] === true)
    return exported as Config;
  throw new RepriseError("INVALID_DECLARATION", "expected a configuration file to export default defineConfig({...})");
}

function checkStrings(value: unknown, what: string): void {
  if (!Array.isArray(value) || value.some((one) => typeof one !== "string")) refuseDeclaration(what, "expected a list of file patterns");
}
