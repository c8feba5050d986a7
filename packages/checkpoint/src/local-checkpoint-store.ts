import { resolve } from "node:path";
import { type ArchiveOptions, CheckpointArchive } from "./checkpoint-archive.ts";
import { FolderObjects } from "./internal/folder-objects.ts";

export interface LocalCheckpointOptions extends ArchiveOptions {
  /** Created when it is missing. Has to outlive the worker's machine to be of use for another worker: a network volume, for example. */
  readonly folder: string;
}

/** Checkpoints as files below a folder, fsynced and renamed into place. Uncompressed: writing them then costs less than the scan that feeds them. */
export function localCheckpointStore({ folder, ...options }: LocalCheckpointOptions): CheckpointArchive {
  return new CheckpointArchive(new FolderObjects(resolve(folder)), options);
}
