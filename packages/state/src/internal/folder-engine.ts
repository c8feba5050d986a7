import { mkdir, readdir, realpath, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { StateStore, StateStoreEngine } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { refuseMarked } from "./corrupt-mark.ts";
import { OpenFolders } from "./open-folders.ts";
import { isLockedError, storeError } from "./store-error.ts";
import { isAnother, lockedError, readOwner, removeOwner, writeOwner } from "./store-owner.ts";

/** What one kind of files needs to become a state store engine. */
export interface FileKind<Db extends { close(): Promise<void> }> {
  /** Also the name of the folder that it has for itself, beside owner.json. */
  readonly name: "rocksdb" | "leveldb";
  readonly provenByScan: boolean;
  /** Of the files that hold rows. */
  readonly dataFile: RegExp;
  /** Before they are opened, where opening damaged ones is worse than not to. @throws RepriseError STATE_CORRUPT */
  readonly verifyFiles?: (folder: string) => Promise<void>;
  /** Opens or creates the files in a folder. */
  openFiles(folder: string): Promise<Db>;
  /** @param released runs once the files are closed */
  storeOf(folder: string, db: Db, released: () => Promise<void>): StateStore;
}

const kinds = ["rocksdb", "leveldb"] as const;
/** Of all engines: two must not share a folder either. */
const openFolders = new OpenFolders();

/** An engine on folders of the local disk. A folder has one owner at a time, across processes. */
export function folderEngine<Db extends { close(): Promise<void> }>(kind: FileKind<Db>): StateStoreEngine {
  return {
    name: kind.name,
    provenByScan: kind.provenByScan,
    open: (folder) => openStore(folder, kind),
    destroy: (folder) => destroyStore(folder, kind),
  };
}

async function openStore<Db extends { close(): Promise<void> }>(path: string, kind: FileKind<Db>): Promise<StateStore> {
  const folder = await existingFolder(path);
  openFolders.claim(folder);
  try {
    await refuseMarked(folder);
    await refuseOtherEngine(folder, kind.name);
    const db = await openFiles(folder, kind);
    try {
      await writeOwner(folder);
    } catch (error) {
      await db.close();
      throw storeError(error, folder, "writing its owner");
    }
    return kind.storeOf(folder, db, async () => {
      await removeOwner(folder).catch(() => undefined);
      openFolders.release(folder);
    });
  } catch (error) {
    openFolders.release(folder);
    throw error;
  }
}

async function openFiles<Db extends { close(): Promise<void> }>(folder: string, kind: FileKind<Db>): Promise<Db> {
  await refuseHeadless(folder, kind);
  await verifyFiles(folder, kind);
  try {
    return await kind.openFiles(join(folder, kind.name));
  } catch (error) {
    if (isLockedError(error)) throw lockedError(folder, await readOwner(folder), error);
    throw storeError(error, folder, "opening it");
  }
}

async function verifyFiles(folder: string, { name, verifyFiles: verify }: Pick<FileKind<never>, "name" | "verifyFiles">): Promise<void> {
  try {
    await verify?.(join(folder, name));
  } catch (error) {
    // Files that somebody writes just now are not what they were a moment ago.
    const owner = await readOwner(folder);
    if (owner !== undefined && isAnother(owner)) throw lockedError(folder, owner, error);
    throw storeError(error, folder, "verifying its files");
  }
}

/** Data files without the file that says which of them count: the engine would start anew beside them, and all rows would be gone. */
async function refuseHeadless(folder: string, { name, dataFile }: Pick<FileKind<never>, "name" | "dataFile">): Promise<void> {
  const files = await readdir(join(folder, name)).catch(() => [] as string[]);
  if (files.includes("CURRENT") || !files.some((file) => file.startsWith("MANIFEST-") || dataFile.test(file))) return;
  throw new RepriseError("STATE_CORRUPT", `The store in ${folder} is corrupt: its file CURRENT is missing.`, { details: { folder } });
}

/** Beside another engine's files a store would begin empty, and leave them lying there. @throws RepriseError STATE_OTHER_ENGINE */
async function refuseOtherEngine(folder: string, own: string): Promise<void> {
  const files = await readdir(folder);
  const other = kinds.find((kind) => kind !== own && files.includes(kind));
  if (other === undefined) return;
  throw new RepriseError("STATE_OTHER_ENGINE", `The store in ${folder} was written by ${other}, and is opened with ${own}.`, {
    details: { folder, engine: other },
  });
}

async function destroyStore<Db extends { close(): Promise<void> }>(path: string, kind: FileKind<Db>): Promise<void> {
  const folder = await realpath(resolve(path)).catch(() => undefined);
  if (folder === undefined) return;
  openFolders.claim(folder);
  try {
    // An owner that closed took its name away; only a living or a killed one left it.
    if ((await readOwner(folder)) !== undefined) await refuseOwned(folder, kind);
    await rm(folder, { recursive: true, force: true }).catch((error: unknown) => {
      throw storeError(error, folder, "removing it");
    });
  } finally {
    openFolders.release(folder);
  }
}

/** Opening tells whether an owner lives. Another engine's lock is not ours to try: its owner counts as alive while a process of this machine has its id. */
async function refuseOwned<Db extends { close(): Promise<void> }>(folder: string, kind: FileKind<Db>): Promise<void> {
  const own = await refuseOtherEngine(folder, kind.name).then(
    () => true,
    () => false,
  );
  if (!own) {
    const owner = await readOwner(folder);
    if (owner !== undefined && isAnother(owner)) throw lockedError(folder, owner);
    return;
  }
  try {
    const db = await openFiles(folder, kind);
    await db.close();
  } catch (error) {
    // Whatever else is wrong with it goes with the files.
    if (RepriseError.is(error) && error.code === "STATE_LOCKED") throw error;
  }
}

async function existingFolder(path: string): Promise<string> {
  const folder = resolve(path);
  try {
    await mkdir(folder, { recursive: true });
    return await realpath(folder);
  } catch (error) {
    throw storeError(error, folder, "creating its folder");
  }
}
