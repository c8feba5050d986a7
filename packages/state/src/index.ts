export { memoryEngine } from "./memory-engine.ts";
export { type RocksDbOptions, rocksDbEngine } from "./rocksdb-engine.ts";
