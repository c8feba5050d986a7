import type { SessionLimits } from "@reprise/engine";
import type { GroupProtocol, KafkaConnectionOptions } from "@reprise/kafka";
import type { StateEngineName } from "@reprise/state";
import type { Logger } from "pino";

export interface WorkerOptions extends KafkaConnectionOptions {
  readonly deployment: string;
  /** 0 … the deployment's workers − 1; no two processes may have the same. */
  readonly slot: number;
  /** Local stores: `<stateFolder>/<deployment>/<slot>/<task>`. */
  readonly stateFolder: string;
  /** Checkpoints: a folder, or `s3://bucket/prefix` (see `openCheckpointStore`). */
  readonly checkpointFolder: string;
  /** `<artifactFolder>/<processor>@<version>/<hash>/processor.mjs`, as `reprise build` leaves it. */
  readonly artifactFolder: string;
  /** Of /healthz, /metrics and /views on `host`. Default 0: any free one. */
  readonly port?: number;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /**
   * What local stores are made of. Default: rocksdb. leveldb: for machines that RocksDB has no binary for. memory: lost with the process, restored from
   * checkpoints and deltas. A store of another engine is dropped and restored.
   */
  readonly stateEngine?: StateEngineName;
  /**
   * Default `classic`: the members assign. `consumer` (KIP-848): the broker does, and its settings, not ours, say how long a member may be
   * silent (45 s by default). All workers of a deployment have the same.
   */
  readonly groupProtocol?: GroupProtocol;
  readonly limits?: Partial<SessionLimits>;
  /** How long the broker may be away at the start. Default 30 s. */
  readonly reachableTimeoutMs?: number;
  readonly logger?: Logger;
}
