import { openCheckpointStore } from "@reprise/checkpoint";
import { expect, it } from "vitest";

it("A place that is none is refused by what is wrong with it", () => {
  const refused = (naming: string): unknown =>
    expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.stringContaining(naming) as string });
  expect(() => openCheckpointStore("")).toThrow(refused("empty"));
  expect(() => openCheckpointStore("gs://bucket/prefix")).toThrow(refused("gs://bucket/prefix"));
  expect(() => openCheckpointStore("s3://")).toThrow(refused("bucket"));
  expect(() => openCheckpointStore("s3:///prefix")).toThrow(refused("bucket"));
  expect(() => openCheckpointStore("s3://bucket/p?zone=3")).toThrow(refused('"zone"'));
  expect(() => openCheckpointStore("s3://bucket/p?path-style=yes")).toThrow(refused("path-style"));
  expect(() => openCheckpointStore("s3://bucket/p?endpoint=nowhere")).toThrow(refused("nowhere"));
  // Credentials are no part of what status and logs show.
  expect(() => openCheckpointStore("s3://key:secret@bucket/p")).toThrow(refused("credentials"));
  expect(() => openCheckpointStore("s3://key:secret@bucket/p")).not.toThrow(refused("secret"));
});

it("Folders and buckets are taken, and not asked for anything yet", () => {
  for (const location of ["checkpoints", "/var/lib/reprise", "./a b", "s3://bucket", "s3://bucket/a/b/?region=eu-west-1"])
    expect(() => openCheckpointStore(location)).not.toThrow();
});
