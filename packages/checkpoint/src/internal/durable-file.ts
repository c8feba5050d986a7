import { type FileHandle, open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** The file's content is on the disk, under its final name, when this resolves; a reader sees nothing or all of it. */
export async function renameDurably(file: FileHandle, from: string, to: string): Promise<void> {
  await file.sync();
  await file.close();
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** A rename or a new name is durable only when its folder is. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows has no handles of folders; its renames are journalled.
  if (process.platform === "win32") return;
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  // A write may take less than all, which is how a disk that fills up begins.
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten;
}
