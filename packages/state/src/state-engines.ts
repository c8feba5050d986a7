import type { StateStoreEngine } from "@reprise/engine";
import { levelDbEngine } from "./leveldb-engine.ts";
import { memoryEngine } from "./memory-engine.ts";
import { rocksDbEngine } from "./rocksdb-engine.ts";

/** The engines there are; the first one is the default. */
export const stateEngineNames = ["rocksdb", "leveldb", "memory"] as const;
export type StateEngineName = (typeof stateEngineNames)[number];

export function isStateEngineName(text: string): text is StateEngineName {
  return (stateEngineNames as readonly string[]).includes(text);
}

/** An engine with its defaults. @throws RepriseError ENGINE_MISSING where there is no binary for this machine */
export function stateEngineNamed(name: StateEngineName): StateStoreEngine {
  switch (name) {
    case "rocksdb":
      return rocksDbEngine();
    case "leveldb":
      return levelDbEngine();
    case "memory":
      return memoryEngine();
  }
}
