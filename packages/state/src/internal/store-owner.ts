import { readFile, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { RepriseError } from "@reprise/schema";

/**
 * Who has a store open, for people: the lock itself is the engine's, which the operating system takes back when the process dies. So
 * this file may be stale; it decides only where the lock is another engine's.
 */
export interface StoreOwner {
  readonly pid: number;
  readonly host: string;
  readonly sinceMs: number;
}

const fileName = "owner.json";

export async function writeOwner(folder: string): Promise<void> {
  const owner: StoreOwner = { pid: process.pid, host: hostname(), sinceMs: Date.now() };
  await writeFile(join(folder, fileName), `${JSON.stringify(owner)}\n`);
}

export async function removeOwner(folder: string): Promise<void> {
  await rm(join(folder, fileName), { force: true });
}

/** Undefined when nobody says so, or when what is said can't be read. */
export async function readOwner(folder: string): Promise<StoreOwner | undefined> {
  try {
    const owner = JSON.parse(await readFile(join(folder, fileName), "utf8")) as StoreOwner;
    return typeof owner.pid === "number" ? owner : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Whether another process of this machine has its id. One with our own is a dead one that had it before, as in a container, where they all have the same;
 * what this process has open, `OpenFolders` knows.
 */
export function isAnother(owner: StoreOwner): boolean {
  if (owner.host !== hostname() || owner.pid === process.pid) return false;
  try {
    process.kill(owner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

export function lockedError(folder: string, owner: StoreOwner | undefined, cause?: unknown): RepriseError {
  const who =
    owner === undefined
      ? "another process"
      : owner.pid === process.pid
        ? `this process (${owner.pid})`
        : `process ${owner.pid} on ${owner.host}`;
  return new RepriseError("STATE_LOCKED", `The state folder ${folder} is in use by ${who}.`, {
    details: { folder, ownerPid: owner?.pid },
    cause,
  });
}
