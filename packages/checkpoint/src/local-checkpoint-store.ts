import { rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { CheckpointManifest, CheckpointStore } from "@reprise/engine";
import { fileError } from "./internal/checkpoint-error.ts";
import { deploymentFolder, manifestName, rowsName, taskFolder } from "./internal/checkpoint-paths.ts";
import { listCheckpoints, readCheckpoint } from "./internal/checkpoint-reader.ts";
import { CheckpointWriter } from "./internal/checkpoint-writer.ts";

export interface LocalCheckpointOptions {
  /** Created when it is missing. Has to outlive the worker's machine to be of use for another worker: a network volume, for example. */
  readonly folder: string;
}

/**
 * Checkpoints as files: `<folder>/<deployment>/<partition>/<n>-<hash>.json` and its rows. Uncompressed: writing and hashing then cost less
 * than the scan that feeds them. A checkpoint is durable when `write` resolves, and exists from the rename of its manifest on. What
 * a writer that died left behind is removed by the next write of its task. Besides the port's errors every call may throw
 * CHECKPOINT_FAILED (permissions, a read-only disk) and INVALID_ARGUMENT (a name or number that is none).
 */
export function localCheckpointStore(options: LocalCheckpointOptions): CheckpointStore {
  const root = resolve(options.folder);
  const writer = new CheckpointWriter(root);
  return {
    write: (task, n, meta, rows) => writer.write(task, n, meta, rows),
    list: (task) => listCheckpoints(root, task),
    read: (manifest) => readCheckpoint(root, manifest),
    remove: (manifest) => removeCheckpoint(root, manifest),
    removeDeployment: (deployment) => removeFiles(deploymentFolder(root, deployment)),
  };
}

/** The manifest goes first: without it the rows are a leftover. */
async function removeCheckpoint(root: string, manifest: CheckpointManifest): Promise<void> {
  const folder = taskFolder(root, manifest);
  await removeFiles(join(folder, manifestName(manifest)));
  await removeFiles(join(folder, rowsName(manifest)));
}

async function removeFiles(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
    throw fileError(error, path, "removing it");
  });
}
