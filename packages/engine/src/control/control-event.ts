/**
 * Next offsets per input topic, indexed by partition. A topic that is left out, or a partition beyond the array, means 0: the start of
 * the log.
 */
export type PositionVector = { readonly [topic: string]: readonly number[] };

/** `Failed` and `Aborted` and `Retired` are ends; `Retiring` is final: nothing leads back from it. */
export type DeploymentState =
  | "Planned"
  | "Starting"
  | "Replaying"
  | "CaughtUp"
  | "TakingOver"
  | "Serving"
  | "Standby"
  | "Retiring"
  | "Retired"
  | "Failed"
  | "Aborted";

export interface DeployedInput {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: number;
}

/** A rekeyed input: an internal topic, which is an input as well, and the topic that it is filled from. */
export interface DeployedRoute {
  /** `<source>-by-<key>`. */
  readonly name: string;
  /** The internal topic, the deployment's own or that of another one with which it is shared; also the group that fills it. */
  readonly topic: string;
  readonly partitions: number;
  readonly source: DeployedInput;
}

/** What never changes about a deployment; everything that its workers need to run it. */
export interface DeploymentSpec {
  /** `<processor>.v<version>.<ordinal>`; part of group and transactional ids, topic names and folders. */
  readonly id: string;
  readonly processor: string;
  readonly version: number;
  /** SHA-256 of the bundle, hex. */
  readonly artifact: string;
  /** The processor's manifest, as `definitionOf(processor).manifest`. */
  readonly manifest: { readonly [field: string]: unknown };
  readonly params: { readonly [name: string]: unknown };
  /** The first one is the lead input: its partitions are the tasks. */
  readonly inputs: readonly DeployedInput[];
  /** Tables of which every task reads every partition. No part of cuts and of what is followed. Absent: none. */
  readonly broadcasts?: readonly DeployedInput[];
  /** What fills its internal topics. Absent: it has none. */
  readonly routes?: readonly DeployedRoute[];
  /** Workers get slots 0 … workers − 1. */
  readonly workers: number;
  /** Slots ever given out are below this; it never decreases. Transactional ids follow from it. */
  readonly maxSlots: number;
  /** Its tasks begin with empty states at the earliest offsets, or with those of an older deployment's newest checkpoints, where these stand. */
  readonly start: "earliest" | { readonly checkpointOf: string };
  readonly commitIntervalMs: number;
}

/** Everything that the controller ever decided, as it stands on the control topic. */
export type ControlEvent =
  | {
      readonly type: "DeploymentCreated";
      readonly deployment: DeploymentSpec;
      /** True for the first deployment of a processor: it is live from its start and its publication interval begins there. */
      readonly publishes: boolean;
    }
  | { readonly type: "DeploymentStateChanged"; readonly deployment: string; readonly state: DeploymentState; readonly reason?: string }
  | {
      readonly type: "CutoverIntended";
      readonly cutover: string;
      readonly kind: "cutover" | "rollback";
      readonly processor: string;
      readonly from: string;
      readonly to: string;
      /** Names of the checks that the operator overruled. */
      readonly forced: readonly string[];
    }
  | {
      readonly type: "CutDecided";
      readonly cutover: string;
      readonly processor: string;
      readonly from: string;
      readonly to: string;
      /** Where `from`'s interval ends and `to`'s begins. */
      readonly at: PositionVector;
    }
  /** All tasks of `to` have passed the cut: queries go there from now on. */
  | { readonly type: "CutoverCompleted"; readonly cutover: string; readonly processor: string; readonly from: string; readonly to: string };

/** One record of the control topic (JSON). */
export interface ControlRecord {
  readonly format: 1;
  /** A command that is sent twice under one key takes effect once. */
  readonly idempotencyKey: string;
  readonly atMs: number;
  readonly by: string;
  readonly event: ControlEvent;
}
