import type { StateStoreEngine } from "@reprise/engine";
import { checkByteSizes } from "./internal/byte-sizes.ts";
import { folderEngine } from "./internal/folder-engine.ts";
import { loadRocks } from "./internal/rocks-level.ts";
import { RocksDbStore } from "./internal/rocksdb-store.ts";

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

/**
 * State on the local disk, in RocksDB. Acknowledged writes survive the death of the process (see `write` for the machine's). Block
 * checksums are verified on every read from disk. A folder has one owner at a time, across processes.
 * @throws RepriseError ENGINE_MISSING where there is no binary for this machine
 */
export function rocksDbEngine(options: RocksDbOptions = {}): StateStoreEngine {
  const settings = { ...defaults, ...options };
  checkByteSizes(settings);
  const { RocksLevel } = loadRocks();
  return folderEngine({
    name: "rocksdb",
    provenByScan: false,
    dataFile: /\.sst$/,
    openFiles: async (folder) => {
      const db = new RocksLevel(folder, {
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
      await db.open();
      return db;
    },
    storeOf: (folder, db, released) => new RocksDbStore(folder, db, released),
  });
}
