import { describe, expect, it } from "vitest";
import { loadNative } from "../src/internal/load-native.ts";

describe("an engine without a binary for this machine", () => {
  it.each([
    ["rocksdb", "leveldb"],
    ["leveldb", "rocksdb"],
  ] as const)("%s says so, and names %s", (engine, other) => {
    const message = `The state engine ${engine} can't run on ${process.platform} ${process.arch}: @reprise/no-such-binding has no binary that loads here. Use the engine ${other}.`;
    expect(() => loadNative("@reprise/no-such-binding", engine)).toThrow(
      expect.objectContaining({ code: "ENGINE_MISSING", message, details: expect.objectContaining({ engine }) as object }),
    );
  });
});
