import type { CheckpointManifest, CheckpointReadOptions, CheckpointStore } from "../ports/checkpoint-store.ts";
import { RepriseError } from "@reprise/schema";
import { RowDigest } from "../state/row-digest.ts";
import { decodeMeta } from "../task/task-meta.ts";

/** Of a checkpoint whose rows are all there and have the digest that the task had. */
export interface VerifiedCheckpoint {
  /** Rows of the state: deleted and replaced ones do not count. */
  readonly rows: number;
  readonly digest: string;
}

/**
 * Reads all of a checkpoint, as restoring it would, and compares the digest over its rows with the one that the task had at that commit.
 * @throws RepriseError CHECKPOINT_CORRUPT · CHECKPOINT_FAILED
 */
export async function verifyCheckpoint(
  checkpoints: CheckpointStore,
  manifest: CheckpointManifest,
  options: CheckpointReadOptions = {},
): Promise<VerifiedCheckpoint> {
  const { deployment, partition, n } = manifest;
  const corrupt = (what: string): RepriseError =>
    new RepriseError("CHECKPOINT_CORRUPT", `checkpoint ${n} of task ${partition} of ${deployment} is corrupt: ${what}`, {
      details: { deployment, partition, n },
    });
  const meta = decodeMeta(manifest.meta);
  if (meta === undefined) throw corrupt("its meta is unreadable");
  const digest = new RowDigest(partition);
  let rows = 0;
  for await (const chunk of checkpoints.read(manifest, options)) {
    for (const row of chunk) digest.add(row);
    rows += chunk.length;
  }
  if (digest.hex !== meta.digest) throw corrupt(`its rows have the digest ${digest.hex}, it says ${meta.digest}`);
  return { rows, digest: digest.hex };
}
