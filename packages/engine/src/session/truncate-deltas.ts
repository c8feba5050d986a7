import { deltaTopicOf } from "../control/names.ts";
import { type Interrupted, Stopped } from "../internal/stopped.ts";
import type { CheckpointManifest, CheckpointStore } from "../ports/checkpoint-store.ts";
import type { TopicOffsets } from "../ports/topic-offsets.ts";
import { RowDigest } from "../state/row-digest.ts";
import { decodeMeta } from "../task/task-meta.ts";

export interface Truncation {
  readonly checkpoints: CheckpointStore;
  readonly offsets: Pick<TopicOffsets, "deleteRecords">;
  readonly deployment: string;
  readonly partition: number;
  /** How many checkpoints are to be kept: with fewer, everything stays. */
  readonly wanted: number;
  /** Checkpoints that were read once and are what they say; added to. */
  readonly verified: Set<string>;
}

/** `kept`: one of the checkpoints does not verify, or there are too few; nothing was deleted. */
export type TruncationResult = { readonly below: number } | { readonly kept: string };

/**
 * Deletes the deltas of a live task that none of its kept checkpoints needs: below the oldest of them, and only when each of them was read back and has
 * the digest that it says. Whoever lost the task meanwhile does no harm: checkpoints only get newer, so that what it knows is below what they need.
 * Throws `Stopped` when `interrupted` says so on the way.
 */
export async function truncateDeltas(truncation: Truncation, interrupted: Interrupted): Promise<TruncationResult> {
  const { checkpoints, offsets, deployment, partition, wanted, verified } = truncation;
  const manifests = await checkpoints.list({ deployment, partition });
  if (manifests.length < wanted) return { kept: `there are ${manifests.length} of ${wanted} checkpoints` };
  let below = Number.POSITIVE_INFINITY;
  for (const manifest of manifests) {
    const meta = decodeMeta(manifest.meta);
    if (meta === undefined) return { kept: `the meta of checkpoint ${manifest.n} can't be read` };
    if (meta.mode !== "live") return { kept: `checkpoint ${manifest.n} is of a task that was building` };
    const id = `${manifest.n} ${manifest.sha256} ${meta.digest}`;
    if (!verified.has(id)) {
      const digest = await digestOf(checkpoints, manifest, interrupted);
      if (digest !== meta.digest) return { kept: `the rows of checkpoint ${manifest.n} have the digest ${digest}, it says ${meta.digest}` };
      verified.add(id);
    }
    below = Math.min(below, meta.deltaFrom);
  }
  if (interrupted()) throw new Stopped();
  await offsets.deleteRecords({ topic: deltaTopicOf(deployment), partition }, below);
  return { below };
}

async function digestOf(checkpoints: CheckpointStore, manifest: CheckpointManifest, interrupted: Interrupted): Promise<string> {
  const digest = new RowDigest(manifest.partition);
  for await (const chunk of checkpoints.read(manifest)) {
    if (interrupted()) throw new Stopped();
    for (const row of chunk) digest.add(row);
  }
  return digest.hex;
}
