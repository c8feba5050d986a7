import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCheckpointStore } from "@reprise/checkpoint";
import { decodeCommitRecord, defaultLimits, groupOf, replayVariants, type TaskVerdict, verifyTask } from "@reprise/engine";
import { createColumnarReader, createGroupOffsets, type KafkaConnectionOptions } from "@reprise/kafka";
import { RepriseError } from "@reprise/schema";
import { rocksDbEngine } from "@reprise/state";
import { CloseList } from "./internal/close-list.ts";
import { openDeployment } from "./internal/open-deployment.ts";

export interface VerifyDeploymentOptions extends KafkaConnectionOptions {
  readonly deployment: string;
  /** Default: all. */
  readonly partitions?: readonly number[];
  /** See `VerifyOptions` of the engine. */
  readonly from: "checkpoint" | "start";
  readonly checkpointFolder: string;
  readonly artifactFolder: string;
  /** Where the replays keep their state; default: the system's temporary folder. */
  readonly folder?: string;
  /** Gives up. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (partition: number, variant: string, records: number) => void;
}

/** What `verifyDeployment` found: a verdict per task and variant. */
export interface DeploymentVerdict {
  readonly deployment: string;
  readonly processor: string;
  readonly version: number;
  readonly verdicts: readonly TaskVerdict[];
}

/**
 * Replays tasks of a deployment beside it, as large and as small as can be, and compares with what it committed. It reads only: nothing of the deployment
 * is touched, and it may run meanwhile.
 * @throws RepriseError as `startWorker`; DELTAS_LOST, INPUT_TRUNCATED when what has to be read is gone; NOT_SERVING when nothing was committed yet
 */
export async function verifyDeployment(options: VerifyDeploymentOptions): Promise<DeploymentVerdict> {
  const opened = new CloseList();
  try {
    return await verify(options, opened);
  } finally {
    await opened.close();
  }
}

async function verify(options: VerifyDeploymentOptions, opened: CloseList): Promise<DeploymentVerdict> {
  const clientId = `reprise-verify-${options.deployment}`;
  const { spec, processor, offsets, systemReader } = await openDeployment({ ...options, clientId }, opened);
  const lead = spec.inputs[0] as { readonly topic: string; readonly partitions: number };
  const partitions = options.partitions ?? Array.from({ length: lead.partitions }, (_, partition) => partition);
  for (const partition of partitions) {
    if (partition < lead.partitions) continue;
    throw new RepriseError("INVALID_ARGUMENT", `${spec.id} has no task ${partition}: ${lead.topic} has ${lead.partitions} partitions`, {
      details: { deployment: spec.id, partition },
    });
  }
  const groupOffsets = createGroupOffsets(options);
  opened.add(() => groupOffsets.close());
  const root = await mkdtemp(join(options.folder ?? tmpdir(), "reprise-verify-"));
  opened.add(() => rm(root, { recursive: true, force: true }));
  const checkpoints = openCheckpointStore(options.checkpointFolder);
  const verdicts: TaskVerdict[] = [];
  for (const partition of partitions) {
    const [committed] = await groupOffsets.committed(groupOf(spec.id), [{ topic: lead.topic, partition }]);
    const record = committed === undefined ? undefined : decodeCommitRecord(committed.metadata);
    if (record === undefined) {
      throw new RepriseError("NOT_SERVING", `task ${partition} of ${spec.id} has committed nothing yet`, {
        details: { deployment: spec.id, partition },
      });
    }
    for (const variant of replayVariants) {
      const reader = await createColumnarReader({ ...options, clientId });
      try {
        const verdict = await verifyTask({
          ...{ spec, processor, partition, record, variant, reader, systemReader, offsets, checkpoints },
          from: options.from,
          stateEngine: rocksDbEngine(),
          folder: join(root, variant.name),
          interrupted: () => options.signal?.aborted === true,
          onProgress: (records) => options.onProgress?.(partition, variant.name, records),
          maxHeldRecords: defaultLimits.maxHeldRecordsPerTask,
        });
        verdicts.push(verdict);
      } finally {
        await reader.close();
      }
    }
  }
  return { deployment: spec.id, processor: spec.processor, version: spec.version, verdicts };
}
