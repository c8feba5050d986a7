import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type CheckpointManifest, failpoint, type StoredRow, type TaskId } from "@reprise/engine";
import { fileError } from "./checkpoint-error.ts";
import { manifestName, rowsName, taskFolder, temporaryName } from "./checkpoint-paths.ts";
import { renameDurably, syncFolder, writeAll } from "./durable-file.ts";
import { removeLeftovers } from "./leftovers.ts";
import { encodeManifest } from "./manifest-file.ts";
import { encodeRows } from "./row-frames.ts";

interface RowFile {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** Writes checkpoints below one root. What it is writing right now is known, so that cleaning up leaves it alone. */
export class CheckpointWriter {
  readonly #root: string;
  readonly #writing = new Set<string>();
  #serial = 0;

  constructor(root: string) {
    this.#root = root;
  }

  /**
   * 1. Leftovers of dead writers go. 2. The rows are streamed into a temporary file, hashed, fsynced, renamed. 3. The manifest
   * likewise: from its rename on the checkpoint exists.
   */
  async write(task: TaskId, n: number, meta: string, rows: AsyncIterable<readonly StoredRow[]>): Promise<CheckpointManifest> {
    const folder = taskFolder(this.#root, task);
    let rowsPath: string | undefined;
    try {
      await mkdir(folder, { recursive: true });
      await removeLeftovers(folder, (name) => this.#writing.has(join(folder, name)));
      const file = await this.#writeRows(folder, n, meta, rows);
      const { name, ...content } = file;
      rowsPath = join(folder, name);
      failpoint("checkpoint-rows-stored");
      const manifest: CheckpointManifest = {
        format: 1,
        deployment: task.deployment,
        partition: task.partition,
        n,
        meta,
        ...content,
        createdAtMs: Date.now(),
      };
      await this.#whileWriting(folder, n, join(folder, manifestName(manifest)), (handle) =>
        writeAll(handle, Buffer.from(encodeManifest(manifest))),
      );
      await this.#syncParents(folder);
      await removeLeftovers(folder, (other) => this.#writing.has(join(folder, other)));
      return manifest;
    } catch (error) {
      throw fileError(error, join(folder, String(n)), "writing it");
    } finally {
      if (rowsPath !== undefined) this.#writing.delete(rowsPath);
    }
  }

  async #writeRows(folder: string, n: number, meta: string, rows: AsyncIterable<readonly StoredRow[]>): Promise<RowFile> {
    const hash = createHash("sha256");
    const counted = { rows: 0, bytes: 0 };
    let name = "";
    let sha256 = "";
    await this.#whileWriting(
      folder,
      n,
      () => {
        // Not a leftover, although no manifest names it yet.
        this.#writing.add(join(folder, name));
        return join(folder, name);
      },
      async (handle) => {
        for await (const chunk of rows) {
          const frames = encodeRows(chunk);
          hash.update(frames);
          await writeAll(handle, frames);
          counted.rows += chunk.length;
          counted.bytes += frames.length;
        }
        sha256 = hash.digest("hex");
        name = rowsName({ n, meta, sha256 });
      },
    );
    return { name, ...counted, sha256 };
  }

  /** Fills a temporary file and renames it durably; when that fails, nothing of it stays. */
  async #whileWriting(
    folder: string,
    n: number,
    target: string | (() => string),
    fill: (file: FileHandle) => Promise<void>,
  ): Promise<void> {
    this.#serial += 1;
    const path = join(folder, temporaryName(n, this.#serial));
    this.#writing.add(path);
    try {
      const file = await open(path, "w");
      try {
        await fill(file);
        await renameDurably(file, path, typeof target === "string" ? target : target());
      } catch (error) {
        // It may be closed already; what counts is the error that brought us here.
        await file.close().catch(() => undefined);
        await rm(path, { force: true });
        throw error;
      }
    } finally {
      this.#writing.delete(path);
    }
  }

  /** The folders of deployment and task may be new. */
  async #syncParents(folder: string): Promise<void> {
    await syncFolder(dirname(folder));
    await syncFolder(this.#root);
  }
}
