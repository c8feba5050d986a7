import type { DeploymentState, PositionVector, PublicationInterval, WorkerAnnouncement } from "@reprise/engine";
import type { Manifest } from "@reprise/processor";
import type { LagObservation, PartitionLag } from "../observe/observation.ts";

/** What `GET /status` answers: everything that the controller knows and decided. */
export interface Status {
  /** Names this state of the control log; hand it back as `expectedRevision`. */
  readonly revision: number;
  readonly atMs: number;
  readonly controller: { readonly url: string; readonly pid: number; readonly leading: boolean };
  readonly processors: readonly ProcessorStatus[];
  readonly deployments: readonly DeploymentStatus[];
}

export interface ProcessorStatus {
  readonly name: string;
  /** The deployment that answers queries. */
  readonly serving?: string;
  /** The deployment whose interval is open. */
  readonly publisher?: string;
  /** Where a rollback would go. */
  readonly rollbackTo?: string;
  readonly intervals: readonly PublicationInterval[];
  readonly pending?: CutoverStatus;
  readonly lastCutover?: CutoverStatus;
}

export interface CutoverStatus {
  readonly cutover: string;
  readonly kind: "cutover" | "rollback";
  readonly from: string;
  readonly to: string;
  readonly forced: readonly string[];
  readonly intendedAtMs: number;
  readonly at?: PositionVector;
  readonly cutAtMs?: number;
  readonly completedAtMs?: number;
  /** From the Intent until all tasks had passed the cut. */
  readonly durationMs?: number;
  /** Records that the new publisher still has to process to pass the cut. */
  readonly recordsToCut?: number;
}

export interface DeploymentStatus {
  readonly id: string;
  readonly processor: string;
  readonly version: number;
  readonly artifact: string;
  readonly params: { readonly [name: string]: unknown };
  readonly state: DeploymentState;
  readonly reason?: string;
  readonly createdAtMs: number;
  readonly changedAtMs: number;
  readonly inputs: readonly string[];
  /** Of the lead input: the number of tasks. */
  readonly tasks: number;
  /** Slots that should have a worker now; 0 when it has ended. */
  readonly desiredWorkers: number;
  readonly workers: readonly WorkerAnnouncement[];
  /** Absent until it was looked at, and when it has ended. */
  readonly progress?: ProgressStatus;
}

export interface ProgressStatus {
  readonly atMs: number;
  readonly processedRecords: number;
  readonly totalRecords: number;
  /** 0 to 1. */
  readonly fraction: number;
  readonly recordsPerSecond: number;
  readonly remainingMs: number | null;
  readonly lag: LagObservation;
  readonly publisherLag?: LagObservation;
  readonly partitions: readonly PartitionLag[];
  readonly live: boolean;
  /** How long its lag has been small without a break, and how long that has to last. */
  readonly steadyMs: number;
  readonly stabilityMs: number;
}

export interface DeployRequest {
  /** As `definitionOf(processor).manifest`. */
  readonly manifest: Manifest | { readonly [field: string]: unknown };
  /** SHA-256 of the bundle, hex. */
  readonly artifact: string;
  readonly params?: { readonly [name: string]: unknown };
  /** Default 1. */
  readonly workers?: number;
  /** Default 100. */
  readonly commitIntervalMs?: number;
  /**
   * A deployment id or a version of the processor: begin with the states of its newest checkpoints, migrated, where these stand. Default: from the
   * earliest offsets.
   */
  readonly checkpointOf?: string | number;
  /** Read the internal topics of this deployment (an id or a version) instead of own ones: needed for a cutover where inputs are rekeyed. */
  readonly routesOf?: string | number;
}

export interface CutoverRequest {
  /** A deployment id or a version; default: the newest deployment that is no publisher (rollback: the one that published last before). */
  readonly to?: string | number;
  /** Checks to overrule, by name: `not-caught-up`. */
  readonly force?: readonly string[];
}

/** What commands share. */
export interface CommandOptions {
  /** The same key again takes effect once and answers the same. Default: a new one. */
  readonly idempotencyKey?: string;
  /** The command is refused (REVISION_CONFLICT) when the control log has moved on since. */
  readonly expectedRevision?: number;
  /** Who asks, for the record. */
  readonly by?: string;
}

export interface DeployAnswer {
  readonly deployment: string;
  readonly revision: number;
  readonly publishes: boolean;
}

export interface CutoverAnswer {
  readonly cutover: string;
  readonly from: string;
  readonly to: string;
  readonly revision: number;
}

export interface RetireAnswer {
  readonly deployment: string;
  readonly revision: number;
}

export interface DesiredWorkers {
  readonly deployment: string;
  readonly processor: string;
  readonly version: number;
  readonly artifact: string;
  readonly state: DeploymentState;
  /** A worker should run for each of these; one that ends is to be started again. */
  readonly slots: readonly number[];
}
