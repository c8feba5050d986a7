import type * as AwsS3 from "@aws-sdk/client-s3";
import type { ListObjectsV2CommandInput, ListObjectsV2CommandOutput, S3Client, S3ClientConfig } from "@aws-sdk/client-s3";
import { failedError } from "./checkpoint-error.ts";
import type { ObjectEntry, ObjectStore } from "./object-store.ts";

type Sdk = typeof AwsS3;

export interface S3Place {
  readonly bucket: string;
  /** Without slashes at its ends; "": the whole bucket. */
  readonly prefix: string;
  /** Of another S3 than Amazon's. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  /** `http://host/bucket/key` instead of `http://bucket.host/key`. */
  readonly pathStyle?: boolean | undefined;
}

/** A store that does not answer is an error within this, so that what waits for it can be given up or tried again. */
const connectionTimeoutMs = 5_000;
const requestTimeoutMs = 60_000;
/** That S3 deletes in one request. */
const deletesAtOnce = 1_000;

/**
 * Objects in a bucket. What it stores is bounded by the size of a segment, far below the 5 GiB that one PUT takes, so nothing is uploaded in parts. A
 * PUT is atomic and what it answers is durable; nothing else is asked of the server, no conditional writes and no locks.
 */
export class S3Objects implements ObjectStore {
  readonly #place: S3Place;
  /** The SDK is large: only who stores in S3 loads it. */
  #loaded: Promise<{ readonly sdk: Sdk; readonly client: S3Client }> | undefined;

  constructor(place: S3Place) {
    this.#place = place;
  }

  address(path: string): string {
    return `s3://${this.#place.bucket}/${this.#key(path)}`;
  }

  async put(path: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const request = { Bucket: this.#place.bucket, Key: this.#key(path), Body: bytes, ContentLength: bytes.length };
    await this.#ask(path, "writing it", signal, (client, sdk) => client.send(new sdk.PutObjectCommand(request), abortOptions(signal)));
  }

  get(path: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    const request = { Bucket: this.#place.bucket, Key: this.#key(path) };
    return this.#ask(path, "reading it", signal, async (client, sdk) => {
      try {
        const { Body } = await client.send(new sdk.GetObjectCommand(request), abortOptions(signal));
        const bytes = await Body?.transformToByteArray();
        return bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      } catch (error) {
        if (error instanceof sdk.NoSuchKey) return undefined;
        throw error;
      }
    });
  }

  async list(folder: string): Promise<ObjectEntry[]> {
    const entries: ObjectEntry[] = [];
    for (const { Contents = [] } of await this.#listing(folder, "/")) {
      for (const { Key = "", Size = 0, LastModified } of Contents) {
        entries.push({ path: this.#path(Key), bytes: Size, modifiedMs: LastModified?.getTime() ?? Date.now() });
      }
    }
    return entries;
  }

  async folders(folder: string): Promise<string[]> {
    const pages = await this.#listing(folder, "/");
    const prefixes = pages.flatMap(({ CommonPrefixes = [] }) => CommonPrefixes.map(({ Prefix = "" }) => Prefix));
    return prefixes.map((prefix) => prefix.split("/").at(-2) as string);
  }

  async remove(paths: readonly string[]): Promise<void> {
    for (let at = 0; at < paths.length; at += deletesAtOnce) {
      const some = paths.slice(at, at + deletesAtOnce);
      const request = { Bucket: this.#place.bucket, Delete: { Objects: some.map((path) => ({ Key: this.#key(path) })), Quiet: true } };
      const answer = await this.#ask(some[0] as string, "removing it", undefined, (client, sdk) =>
        client.send(new sdk.DeleteObjectsCommand(request)),
      );
      const refused = answer.Errors?.find(({ Code }) => Code !== "NoSuchKey");
      if (refused !== undefined)
        throw failedError(this.address(this.#path(refused.Key ?? "")), "removing it", new Error(`${refused.Code}: ${refused.Message}`));
    }
  }

  async removeFolder(folder: string): Promise<void> {
    const pages = await this.#listing(folder, undefined);
    await this.remove(pages.flatMap(({ Contents = [] }) => Contents.map(({ Key = "" }) => this.#path(Key))));
  }

  /** @param Delimiter undefined: at any depth */
  async #listing(folder: string, Delimiter: string | undefined): Promise<ListObjectsV2CommandOutput[]> {
    const Prefix = folder === "" ? this.#key("") : `${this.#key(folder)}/`;
    const request: ListObjectsV2CommandInput = { Bucket: this.#place.bucket, Prefix, ...(Delimiter === undefined ? {} : { Delimiter }) };
    const pages: ListObjectsV2CommandOutput[] = [];
    for (let token: string | undefined; ; ) {
      const next: ListObjectsV2CommandInput = token === undefined ? request : { ...request, ContinuationToken: token };
      const page = await this.#ask(folder, "listing it", undefined, (client, sdk) => client.send(new sdk.ListObjectsV2Command(next)));
      pages.push(page);
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
      if (token === undefined) return pages;
    }
  }

  async #ask<T>(
    path: string,
    doing: string,
    signal: AbortSignal | undefined,
    request: (client: S3Client, sdk: Sdk) => Promise<T>,
  ): Promise<T> {
    try {
      this.#loaded ??= import("@aws-sdk/client-s3").then((sdk) => ({ sdk, client: new sdk.S3Client(configOf(this.#place)) }));
      const { client, sdk } = await this.#loaded;
      return await request(client, sdk);
    } catch (error) {
      throw signal?.aborted === true ? error : failedError(this.address(path), doing, withName(error));
    }
  }

  #key(path: string): string {
    const { prefix } = this.#place;
    return prefix === "" ? path : `${prefix}/${path}`;
  }

  #path(key: string): string {
    const { prefix } = this.#place;
    return prefix === "" ? key : key.slice(prefix.length + 1);
  }
}

function configOf({ endpoint, region, pathStyle }: S3Place): S3ClientConfig {
  return {
    // What is not said here, credentials above all, comes by the SDK's own chain: environment, profile, instance.
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(region === undefined ? {} : { region }),
    ...(pathStyle === undefined ? {} : { forcePathStyle: pathStyle }),
    // Everything that is read is checked by its own hash, and not every S3 knows the newer checksums.
    requestChecksumCalculation: "WHEN_REQUIRED",
    responseChecksumValidation: "WHEN_REQUIRED",
    requestHandler: { connectionTimeout: connectionTimeoutMs, requestTimeout: requestTimeoutMs },
  };
}

const abortOptions = (signal: AbortSignal | undefined) => (signal === undefined ? {} : { abortSignal: signal });

/** The SDK's messages often say nothing without the name ("UnknownError", "Error: connect ECONNREFUSED"). */
function withName(error: unknown): Error {
  const { name, message } = error as Error;
  return new Error(message.includes(name) ? message : `${name}: ${message}`, { cause: error });
}
