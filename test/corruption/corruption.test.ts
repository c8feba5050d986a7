import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RowDigest, type StateStoreEngine, type TaskMeta } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { levelDbEngine, memoryEngine, rocksDbEngine } from "@reprise/state";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Random } from "../support/random.ts";
import { damagesOf, filesOf } from "./damage.ts";
import { all, History, rowTexts } from "./history.ts";

/** Another one: REPRISE_SEED=7 npx vitest run test/corruption */
const seed = Number(process.env["REPRISE_SEED"] ?? 1);
const shape = { commits: 18, recordsPerCommit: 180, accounts: 400, checkpointAt: 9, unsavedCommits: 2 };

// Tables of every level and a log beside them, from not much data.
const sizes = { writeBufferBytes: 1 << 20, blockCacheBytes: 1 << 20 };
const engines: readonly StateStoreEngine[] = [rocksDbEngine(sizes), levelDbEngine({ ...sizes, writeBufferBytes: 1 << 18 })];

const isMeta = ({ key }: { readonly key: Uint8Array }): boolean => key.length === 1 && key[0] === 0;

/** How a damaged store came back. `silent`: its rows were wrong and nothing said so, until its digest was compared. */
type Outcome = "harmless" | "dropped when opened" | "dropped when read" | "silent";

describe.each(engines)("a damaged store of $name", (engine) => {
  const parent = mkdtempSync(join(tmpdir(), "reprise-corruption-"));
  const history = new History();
  let expected: string[];

  beforeAll(async () => {
    const store = await engine.open(join(parent, "original", "0"));
    await history.run(store, new Random(seed), shape);
    await copyAtOnce(join(parent, "original"), join(parent, "killed"));
    await store.close();
    cpSync(join(parent, "original"), join(parent, "closed"), { recursive: true });
    const { opened } = await history.open(memoryEngine(), join(parent, "memory"));
    expect(opened).toMatchObject({ how: `checkpoint ${shape.checkpointAt} + ${shape.commits - shape.checkpointAt} deltas` });
    expect(history.faults(opened)).toEqual([]);
    expected = rowTexts(await all(opened.store));
    expect(expected.length).toBeGreaterThan(1_000);
  }, 120_000);

  afterAll(() => rmSync(parent, { recursive: true, force: true }));

  /** Opens it as a session does, and reads it as tasks, checkpoints and scrubs do, until it is right. */
  async function comeBack(folder: string): Promise<Outcome> {
    const { opened, dropped } = await history.open(engine, folder);
    try {
      const rows = await all(opened.store);
      if (JSON.stringify(rowTexts(rows)) === JSON.stringify(expected)) {
        return dropped.length === 0 && opened.how.startsWith("local") ? "harmless" : "dropped when opened";
      }
      const digest = new RowDigest(0);
      for (const row of rows) if (!isMeta(row)) digest.add(row);
      const meta = rows.find(isMeta);
      const told = meta === undefined ? undefined : (JSON.parse(Buffer.from(meta.value).toString()) as TaskMeta).digest;
      if (told === digest.hex) throw new Error("wrong rows have the right digest");
      await opened.store.close();
      await engine.destroy(join(folder, "0"));
    } catch (error) {
      await opened.store.close().catch(() => undefined);
      if (!RepriseError.is(error) || error.code !== "STATE_CORRUPT") throw error;
      // The next session has to know by itself.
      expect(await comeBack(folder)).toBe("dropped when opened");
      return "dropped when read";
    } finally {
      await opened.store.close().catch(() => undefined);
    }
    expect(await comeBack(folder)).not.toBe("silent");
    return "silent";
  }

  test.each(["closed", "killed"])(
    "(%s) is noticed and restored, or harmless, whatever is done to its files",
    async (end) => {
      const random = new Random(seed);
      const original = join(parent, end);
      const outcomes: { [kind: string]: { [outcome in Outcome]?: number } } = {};
      const silent: string[] = [];
      expect(await comeBack(cp(original, join(parent, "sound")))).toBe("harmless");
      for (const damage of damagesOf(join(original, "0"), random)) {
        const folder = cp(original, join(parent, "damaged"));
        damage.apply(join(folder, "0"));
        const outcome = await comeBack(folder).catch((cause: unknown) => {
          throw new Error(`seed ${seed}, ${engine.name} (${end}): ${damage.what}: ${String(cause)}`, { cause });
        });
        (outcomes[damage.kind] ??= {})[outcome] = (outcomes[damage.kind]?.[outcome] ?? 0) + 1;
        if (outcome === "silent") silent.push(damage.what);
      }
      console.log(
        `seed ${seed}, ${engine.name} (${end}): ${JSON.stringify(outcomes)}${silent.length === 0 ? "" : `; by scrub: ${silent.join(", ")}`}`,
      );
      // Tables hold most rows: had their damage been harmless, nothing would have been damaged.
      const tables = outcomes[engine.name === "rocksdb" ? "sst" : "ldb"] ?? {};
      expect((tables["dropped when opened"] ?? 0) + (tables["dropped when read"] ?? 0)).toBeGreaterThan(5);
      // RocksDB does not know of a log that is gone as a whole while a newer one is there: that is left to the scrub. Nothing else is.
      expect(silent.filter((what) => engine.provenByScan || !/\.log (deleted|emptied|cut off)/.test(what))).toEqual([]);
    },
    600_000,
  );
});

/** What a kill leaves: nothing was closed, and all files are of one moment, in which no compaction wrote. */
async function copyAtOnce(from: string, to: string): Promise<void> {
  const files = (): string => JSON.stringify(filesOf(from));
  for (let before = ""; ; await sleep(100)) {
    const now = files();
    if (now === before) {
      try {
        cp(from, to);
        if (files() === now) return;
      } catch (error) {
        // A compaction removed a file meanwhile.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    before = now;
  }
}

function cp(from: string, to: string): string {
  rmSync(to, { recursive: true, force: true });
  cpSync(from, to, { recursive: true });
  return to;
}
