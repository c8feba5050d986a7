import { openCheckpointStore } from "@reprise/checkpoint";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type S3Server, startS3Server } from "../../../test/support/s3-server.ts";
import { S3Objects } from "../src/internal/s3-objects.ts";
import { checkpointConformance } from "./store-conformance.ts";
import { chunks, collect } from "./support.ts";

let server: S3Server;
let prefixes = 0;

beforeAll(async () => {
  server = await startS3Server();
}, 120_000);

afterAll(() => server.stop());

const place = (prefix: string) => ({ bucket: server.bucket, prefix, endpoint: server.endpoint, region: "us-east-1", pathStyle: true });

describe("the checkpoint store in S3", () => {
  checkpointConformance(async () => new S3Objects(place(`a prefix/${(prefixes += 1)}`)));
});

it("without a prefix the bucket itself is the root", async () => {
  const objects = new S3Objects(place(""));
  await objects.put("of the bucket/1", Buffer.from("1"));
  expect(await objects.folders("")).toContain("of the bucket");
  expect((await objects.list("of the bucket")).map(({ path }) => path)).toEqual(["of the bucket/1"]);
  await objects.removeFolder("of the bucket");
});

describe("an S3 that does not do what it should", () => {
  const task = { deployment: "d", partition: 0 };

  it("is named, with the reason: a bucket that is not there, credentials that are wrong, nobody who answers", async () => {
    const failed = (text: string): unknown =>
      expect.objectContaining({ code: "CHECKPOINT_FAILED", message: expect.stringContaining(text) as string });
    const nowhere = openCheckpointStore(server.location("x").replace(`//${server.bucket}/`, "//no-such-bucket/"));
    await expect(nowhere.list(task)).rejects.toThrow(failed("s3://no-such-bucket/x/d/0/manifests"));
    await expect(nowhere.write(task, 1, "{}", chunks(1))).rejects.toThrow(failed("NoSuchBucket"));
    const silent = openCheckpointStore("s3://b/x?endpoint=http://127.0.0.1:1&region=us-east-1&path-style=true");
    await expect(silent.list(task)).rejects.toThrow(failed("ECONNREFUSED"));
  });

  it("is away for a while: calls fail, and what was there is there again", { timeout: 60_000 }, async () => {
    const store = openCheckpointStore(server.location("away"));
    const manifest = await store.write(task, 1, "{}", chunks(2_000));
    await server.kill();
    await expect(store.list(task)).rejects.toThrow(expect.objectContaining({ code: "CHECKPOINT_FAILED" }));
    await expect(store.write(task, 2, "{}", chunks(10))).rejects.toThrow(expect.objectContaining({ code: "CHECKPOINT_FAILED" }));
    await expect(collect(store.read(manifest))).rejects.toThrow(expect.objectContaining({ code: "CHECKPOINT_FAILED" }));
    await server.restart();
    expect(await store.list(task)).toEqual([manifest]);
    expect(await collect(store.read(manifest))).toHaveLength(2_000);
  });
});
