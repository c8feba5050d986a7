// One set-up at a time in this folder: the others wait until it is done, and then find nothing missing.
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SetUpError, workFolder } from "./steps.mjs";

const file = join(workFolder, "lock");
const removal = `${file}.removal`;
const longestMs = 30 * 60_000;

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's process.
    return error.code === "EPERM";
  }
}

function take() {
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    return false;
  }
}

/** @template T @param {{ print: (line: string) => void }} context @param {() => Promise<T>} work @returns {Promise<T>} */
export async function withLock({ print }, work) {
  mkdirSync(workFolder, { recursive: true });
  const started = performance.now();
  for (let lastSaid = -Infinity; !take(); ) {
    const holder = holderOf();
    if (holder !== undefined && !alive(holder)) removeOrphan();
    else {
      if (performance.now() - started > longestMs) throw new SetUpError(`Another set-up (pid ${holder}) holds ${file} for too long.`);
      if (performance.now() - lastSaid > 10_000) {
        print(`  … waiting for another set-up (pid ${holder})`);
        lastSaid = performance.now();
      }
      await sleep(200);
    }
  }
  const release = () => rmSync(file, { force: true });
  process.once("exit", release);
  try {
    return await work();
  } finally {
    process.off("exit", release);
    release();
  }
}

/**
 * Removes the lock of an owner that died, looking again under a lock of its own: of two waiters that saw the same dead owner, the
 * slower one would otherwise remove the faster one's new lock.
 */
function removeOrphan() {
  try {
    writeFileSync(removal, "", { flag: "wx" });
  } catch {
    // Somebody else is at it; what takes longer than this has died over it.
    if (existsSync(removal) && Date.now() - statSync(removal, { throwIfNoEntry: false })?.mtimeMs > 10_000)
      rmSync(removal, { force: true });
    return;
  }
  try {
    const holder = holderOf();
    if (holder !== undefined && !alive(holder)) rmSync(file, { force: true });
  } finally {
    rmSync(removal, { force: true });
  }
}

function holderOf() {
  try {
    const pid = Number(readFileSync(file, "utf8"));
    // Created, not yet written.
    return Number.isInteger(pid) && pid > 0 ? pid : undefined;
  } catch {
    return undefined;
  }
}
