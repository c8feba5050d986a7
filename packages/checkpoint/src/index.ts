export { type ArchiveOptions, CheckpointArchive } from "./checkpoint-archive.ts";
export { type LocalCheckpointOptions, localCheckpointStore } from "./local-checkpoint-store.ts";
export { openCheckpointStore } from "./open-checkpoint-store.ts";
export { type S3CheckpointOptions, s3CheckpointStore } from "./s3-checkpoint-store.ts";
