import { createHash } from "node:crypto";
import { open, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { CheckpointManifest, StoredRow, TaskId } from "@reprise/engine";
import { corruptError, fileError } from "./checkpoint-error.ts";
import { manifestName, rowsName, taskFolder } from "./checkpoint-paths.ts";
import { decodeManifest } from "./manifest-file.ts";
import { FrameDecoder } from "./row-frames.ts";

const readBytes = 1 << 20;

/** Complete ones of a task, newest n first. */
export async function listCheckpoints(root: string, task: TaskId): Promise<CheckpointManifest[]> {
  const folder = taskFolder(root, task);
  const found: CheckpointManifest[] = [];
  try {
    for (const name of await namesIn(folder)) {
      if (!name.endsWith(".json")) continue;
      const manifest = await manifestAt(join(folder, name));
      if (manifest !== undefined && name === manifestName(manifest) && (await isComplete(folder, task, manifest))) found.push(manifest);
    }
  } catch (error) {
    throw fileError(error, folder, "listing it");
  }
  return found.sort((a, b) => b.n - a.n);
}

/** Undefined when there is none, or when it does not verify. */
export async function manifestAt(path: string): Promise<CheckpointManifest | undefined> {
  const text = await readFile(path, "utf8").catch(ignoreMissing);
  return text === undefined ? undefined : decodeManifest(text);
}

/** @throws RepriseError CHECKPOINT_CORRUPT, at the latest after the last chunk */
export async function* readCheckpoint(root: string, manifest: CheckpointManifest): AsyncGenerator<readonly StoredRow[]> {
  const path = join(taskFolder(root, manifest), rowsName(manifest));
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    throw error.code === "ENOENT" ? corruptError(path, "its rows are missing") : fileError(error, path, "opening it");
  });
  try {
    const { size } = await file.stat();
    if (size !== manifest.bytes) throw corruptError(path, `it has ${size} bytes instead of ${manifest.bytes}`);
    const hash = createHash("sha256");
    const decoder = new FrameDecoder(size);
    let rows = 0;
    for (let at = 0; at < size; ) {
      // A buffer of its own each time: the rows are views of it, and belong to the reader.
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.min(readBytes, size - at)), 0, undefined, at);
      if (bytesRead === 0) throw corruptError(path, `it ends after ${at} bytes`);
      const bytes = buffer.subarray(0, bytesRead);
      at += bytesRead;
      hash.update(bytes);
      const chunk = decoder.push(bytes);
      if (chunk === undefined) throw corruptError(path, "a row claims to be longer than the file");
      rows += chunk.length;
      // Before the last chunk is handed out: who has taken all chunks without an error has the right rows.
      if (at >= size) verify(path, manifest, { sha256: hash.digest("hex"), rows, pendingBytes: decoder.pendingBytes });
      if (chunk.length > 0) yield chunk;
    }
    if (size === 0) verify(path, manifest, { sha256: hash.digest("hex"), rows, pendingBytes: 0 });
  } catch (error) {
    throw fileError(error, path, "reading it");
  } finally {
    await file.close();
  }
}

function verify(path: string, manifest: CheckpointManifest, read: { sha256: string; rows: number; pendingBytes: number }): void {
  if (read.sha256 !== manifest.sha256) throw corruptError(path, "its hash is not the manifest's");
  if (read.pendingBytes !== 0) throw corruptError(path, "its last row is cut off");
  if (read.rows !== manifest.rows) throw corruptError(path, `it has ${read.rows} rows instead of ${manifest.rows}`);
}

async function isComplete(folder: string, task: TaskId, manifest: CheckpointManifest): Promise<boolean> {
  if (manifest.deployment !== task.deployment || manifest.partition !== task.partition) return false;
  const rows = await stat(join(folder, rowsName(manifest))).catch(ignoreMissing);
  return rows?.size === manifest.bytes;
}

async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(ignoreMissing)) ?? [];
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== "ENOENT") throw error;
}
