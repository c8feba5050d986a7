import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { rowsName, temporaryPid } from "./checkpoint-paths.ts";
import { decodeManifest } from "./manifest-file.ts";

/**
 * Removes what writers of a task that died left behind: temporary files, rows without a manifest, manifests that don't verify. Not
 * what a living process is writing: a worker that is about to be fenced may be at it still.
 */
export async function removeLeftovers(folder: string, isOurs: (name: string) => boolean): Promise<void> {
  const names = await readdir(folder);
  const kept = new Set<string>();
  for (const name of names) {
    if (!name.endsWith(".json")) continue;
    const manifest = decodeManifest(await readFile(join(folder, name), "utf8"));
    if (manifest === undefined) continue;
    kept.add(name).add(rowsName(manifest));
  }
  for (const name of names) {
    if (kept.has(name) || isOurs(name) || isWriting(temporaryPid(name))) continue;
    await rm(join(folder, name), { force: true });
  }
}

function isWriting(pid: number | undefined): boolean {
  if (pid === undefined || pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and is somebody else's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
