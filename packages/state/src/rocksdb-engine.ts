import { mkdir, readdir, realpath, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { StateStore, StateStoreEngine } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { OpenFolders } from "./internal/open-folders.ts";
import { type RocksLevel, rocksLevel } from "./internal/rocks-level.ts";
import { RocksDbStore } from "./internal/rocksdb-store.ts";
import { isLockedError, storeError } from "./internal/store-error.ts";
import { lockedError, readOwner, removeOwner, writeOwner } from "./internal/store-owner.ts";

/** Memory per open store, which is per task: a worker of 32 tasks has 32 times as much. */
export interface RocksDbOptions {
  /** Cache of uncompressed blocks. Default 32 MiB; more makes cold reads rarer, the engine's row cache comes before it. */
  readonly blockCacheBytes?: number;
  /** All memtables together. Default 32 MiB; more merges more updates of a row before they reach the disk. */
  readonly writeBufferBytes?: number;
  /** Threads for flush and compaction. Default 1: a worker has many stores, and its cores are for handlers. */
  readonly backgroundThreads?: number;
}

const defaults = { blockCacheBytes: 32 << 20, writeBufferBytes: 32 << 20, backgroundThreads: 1 } as const;
/** Beside owner.json, so that RocksDB has its folder for itself. */
const filesFolder = "rocksdb";
const openFolders = new OpenFolders();

/**
 * State on the local disk, in RocksDB. Acknowledged writes survive the death of the process (see `write` for the machine's). Block
 * checksums are verified on every read from disk. A folder has one owner at a time, across processes.
 */
export function rocksDbEngine(options: RocksDbOptions = {}): StateStoreEngine {
  const settings = { ...defaults, ...options };
  for (const [name, value] of Object.entries(settings)) checkSize(name, value);
  return {
    name: "rocksdb",
    open: (folder) => openStore(folder, settings),
    destroy: (folder) => destroyStore(folder, settings),
  };
}

async function openStore(path: string, settings: Required<RocksDbOptions>): Promise<StateStore> {
  const folder = await existingFolder(path);
  openFolders.claim(folder);
  try {
    const db = await openFiles(folder, settings);
    try {
      await writeOwner(folder);
    } catch (error) {
      await db.close();
      throw storeError(error, folder, "writing its owner");
    }
    return new RocksDbStore(folder, db, async () => {
      await removeOwner(folder).catch(() => undefined);
      openFolders.release(folder);
    });
  } catch (error) {
    openFolders.release(folder);
    throw error;
  }
}

async function openFiles(folder: string, settings: Required<RocksDbOptions>): Promise<RocksLevel> {
  await refuseHeadless(folder);
  const db = rocksLevel(join(folder, filesFolder), {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    createIfMissing: true,
    compaction: "level",
    memtableMemoryBudget: settings.writeBufferBytes,
    cacheSize: settings.blockCacheBytes,
    // Compressing the log saved no time here, and recovery of a plain one is the older code.
    walCompression: false,
    parallelism: settings.backgroundThreads,
  });
  try {
    await db.open();
    return db;
  } catch (error) {
    if (isLockedError(error)) throw lockedError(folder, await readOwner(folder), error);
    throw storeError(error, folder, "opening it");
  }
}

/** Data files without the file that says which of them count: RocksDB would start anew beside them, and all rows would be gone. */
async function refuseHeadless(folder: string): Promise<void> {
  const files = await readdir(join(folder, filesFolder)).catch(() => [] as string[]);
  if (files.includes("CURRENT") || !files.some((file) => file.startsWith("MANIFEST-") || file.endsWith(".sst"))) return;
  throw new RepriseError("STATE_CORRUPT", `The store in ${folder} is corrupt: its file CURRENT is missing.`, { details: { folder } });
}

async function destroyStore(path: string, settings: Required<RocksDbOptions>): Promise<void> {
  const folder = await realpath(resolve(path)).catch(() => undefined);
  if (folder === undefined) return;
  openFolders.claim(folder);
  try {
    // An owner that closed took its name away; only a living or a killed one left it. Opening tells which.
    if ((await readOwner(folder)) !== undefined) await refuseLocked(folder, settings);
    await rm(folder, { recursive: true, force: true }).catch((error: unknown) => {
      throw storeError(error, folder, "removing it");
    });
  } finally {
    openFolders.release(folder);
  }
}

async function refuseLocked(folder: string, settings: Required<RocksDbOptions>): Promise<void> {
  try {
    const db = await openFiles(folder, settings);
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

function checkSize(name: string, value: number): void {
  // The binding reads 32 bits of some of them, and takes the rest off without a word.
  if (Number.isSafeInteger(value) && value > 0 && value < 2 ** 31) return;
  throw new RepriseError("INVALID_ARGUMENT", `${name} is ${value}; it has to be an integer from 1 to 2^31 - 1.`, {
    details: { [name]: value },
  });
}
