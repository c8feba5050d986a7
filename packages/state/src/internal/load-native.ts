import { createRequire } from "node:module";
import { RepriseError } from "@reprise/schema";

const require = createRequire(import.meta.url);

/** A package with native code that a state engine needs. @throws RepriseError ENGINE_MISSING where it has no binary for this machine */
export function loadNative(name: string, engine: "rocksdb" | "leveldb"): unknown {
  try {
    return require(name);
  } catch (cause) {
    const machine = `${process.platform} ${process.arch}`;
    const other = engine === "rocksdb" ? "leveldb" : "rocksdb";
    throw new RepriseError(
      "ENGINE_MISSING",
      `The state engine ${engine} can't run on ${machine}: ${name} has no binary that loads here. Use the engine ${other}.`,
      { cause, details: { engine, machine, module: name } },
    );
  }
}
