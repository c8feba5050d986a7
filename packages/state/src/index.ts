export { type LevelDbOptions, levelDbEngine } from "./leveldb-engine.ts";
export { memoryEngine } from "./memory-engine.ts";
export { type RocksDbOptions, rocksDbEngine } from "./rocksdb-engine.ts";
export { isStateEngineName, type StateEngineName, stateEngineNamed, stateEngineNames } from "./state-engines.ts";
