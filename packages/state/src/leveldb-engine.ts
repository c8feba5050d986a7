import type { StateStoreEngine } from "@reprise/engine";
import type { ClassicLevel } from "classic-level";
import { checkByteSizes } from "./internal/byte-sizes.ts";
import { folderEngine } from "./internal/folder-engine.ts";
import { loadLevelDbChecks, verifyLevelDbFiles } from "./internal/leveldb-files.ts";
import { type LevelDb, LevelDbStore } from "./internal/leveldb-store.ts";
import { loadNative } from "./internal/load-native.ts";
import { RangeThread } from "./internal/range-thread.ts";

/** Memory per open store, which is per task. */
export interface LevelDbOptions {
  /** Cache of uncompressed blocks. Default 32 MiB. */
  readonly blockCacheBytes?: number;
  /** The memtable; another one may be on its way to the disk. Default 16 MiB. */
  readonly writeBufferBytes?: number;
}

interface ClassicLevelModule {
  readonly ClassicLevel: typeof ClassicLevel;
}

const defaults = { blockCacheBytes: 32 << 20, writeBufferBytes: 16 << 20 } as const;
/** Of all engines of the process: a database may be open once in each thread. */
const ranges = new RangeThread();

/**
 * State on the local disk, in LevelDB: for machines that RocksDB has no binary for. LevelDB passes over damage without an error, or dies of it. So its
 * files are verified before they are opened, rows carry checksums of their own, and a store counts for nothing before a scan has shown that all its
 * rows are there. Ranges are read by a thread of their own, at about 0.1 ms each. A folder has one owner at a time, across processes.
 * @throws RepriseError ENGINE_MISSING where there is no binary for this machine
 */
export function levelDbEngine(options: LevelDbOptions = {}): StateStoreEngine {
  const settings = { ...defaults, ...options };
  checkByteSizes(settings);
  const { blockCacheBytes, writeBufferBytes } = settings;
  const { ClassicLevel } = loadNative("classic-level", "leveldb") as ClassicLevelModule;
  loadLevelDbChecks();
  return folderEngine<LevelDb>({
    name: "leveldb",
    provenByScan: true,
    dataFile: /\.(ldb|sst)$/,
    verifyFiles: verifyLevelDbFiles,
    openFiles: async (folder) => {
      const db: LevelDb = new ClassicLevel(folder, { keyEncoding: "view", valueEncoding: "view" });
      // Plain blocks: `verifyFiles` reads the indexes.
      await db.open({ cacheSize: blockCacheBytes, writeBufferSize: writeBufferBytes, compression: false, multithreading: true });
      return db;
    },
    storeOf: (folder, db, released) => new LevelDbStore(folder, db, ranges, blockCacheBytes, released),
  });
}
