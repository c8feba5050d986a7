import { type ArchiveOptions, CheckpointArchive } from "./checkpoint-archive.ts";
import { S3Objects, type S3Place } from "./internal/s3-objects.ts";

export interface S3CheckpointOptions extends ArchiveOptions, Omit<S3Place, "prefix"> {
  /** Of all names in the bucket. Default: none. */
  readonly prefix?: string;
}

/**
 * Checkpoints in an S3 bucket, which has to exist. Credentials, and region and endpoint where they are not given, are found as the AWS SDK finds
 * them: environment, shared files, the machine's role. What it needs to be allowed: `s3:GetObject`, `PutObject`, `DeleteObject`, `ListBucket`.
 * A bucket with versions or object locks keeps what is deleted here; give it a rule that ends old versions.
 */
export function s3CheckpointStore({
  bucket,
  prefix = "",
  endpoint,
  region,
  pathStyle,
  ...options
}: S3CheckpointOptions): CheckpointArchive {
  const place = { bucket, prefix: prefix.replace(/^\/+|\/+$/g, ""), endpoint, region, pathStyle };
  return new CheckpointArchive(new S3Objects(place), options);
}
