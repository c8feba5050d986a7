// Steps of the set-up: each says what it does, how long it took, and that it is still alive; none runs without a bound.
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
/** Logs, stamps and the lock of the set-up. */
export const workFolder = join(root, ".reprise", "set-up");

/** What went wrong, in words for the person at the keyboard: printed without a stack. */
export class SetUpError extends Error {}

const heartbeatMs = 10_000;
const seconds = (ms) => `${(ms / 1_000).toFixed(1)} s`;

/** @param {{ print: (line: string) => void }} context @param {string} title @param {() => Promise<string | undefined>} work resolves with what to add to the title */
export async function step({ print }, title, work) {
  const started = performance.now();
  const heartbeat = setInterval(() => print(`  … ${title}, ${Math.round((performance.now() - started) / 1_000)} s so far`), heartbeatMs);
  try {
    const note = await work();
    print(`  ✓ ${title}${note === undefined ? "" : `: ${note}`} (${seconds(performance.now() - started)})`);
  } catch (error) {
    print(`  ✗ ${title} (${seconds(performance.now() - started)})`);
    throw error;
  } finally {
    clearInterval(heartbeat);
  }
}

/**
 * Runs a command with its output in a log file; rejects with the log's last lines.
 * @param {string} name of the log @param {string[]} command @param {{ timeoutMs: number, environment?: Record<string, string> }} options
 */
export async function run(name, [file, ...args], { timeoutMs, environment = {} }) {
  mkdirSync(workFolder, { recursive: true });
  const logFile = join(workFolder, `${name}.log`);
  const log = createWriteStream(logFile);
  // Its own group, so that a time-out ends what it started, too.
  const child = spawn(file, args, {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const endGroup = (signal) => {
    try {
      process.kill(-Number(child.pid), signal);
    } catch {
      // It is gone.
    }
  };
  const interrupted = () => {
    endGroup("SIGTERM");
    process.exit(130);
  };
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    endGroup("SIGTERM");
    setTimeout(() => endGroup("SIGKILL"), 5_000).unref();
  }, timeoutMs);
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const { code, failure } = await new Promise((resolve) => {
    child.once("error", (error) => resolve({ code: -1, failure: error }));
    child.once("close", (exitCode) => resolve({ code: exitCode, failure: undefined }));
  });
  clearTimeout(timer);
  process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
  await new Promise((resolve) => log.end(resolve));
  if (code === 0 && !timedOut) return;
  const what = timedOut ? `did not finish within ${timeoutMs / 1_000} s` : (failure?.message ?? `ended with ${code}`);
  const tail = readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-20).join("\n");
  throw new SetUpError(`'${[file, ...args].join(" ")}' ${what}. Its log is ${logFile}; the last lines:\n${tail}`);
}

/**
 * Asks a command something; never rejects, and code -1 is a command that is not there. The timer is our own: that of `spawn` goes on
 * after a failed start and would hold the process.
 * @param {string} file @param {string[]} args @param {{ input?: string, timeoutMs?: number }} [options]
 * @returns {Promise<{ code: number, text: string }>}
 */
export async function ask(file, args, { input = "", timeoutMs = 15_000 } = {}) {
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"] });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part) => (text += part));
  child.stdin.on("error", () => undefined).end(input);
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const code = await new Promise((resolve) => child.once("error", () => resolve(-1)).once("close", (exitCode) => resolve(exitCode ?? -1)));
  clearTimeout(timer);
  return { code, text };
}

/** Whether a command can be run at all. */
export async function has(command, args = ["--version"]) {
  return (await ask(command, args)).code === 0;
}
