import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isAlive } from "../src/dev/dev-folder.ts";
import { Supervisor } from "../src/dev/supervisor.ts";

const script = fileURLToPath(new URL("support/child.mjs", import.meta.url));
let folder: string;
let file: string;
let supervisor: Supervisor;
let said: string[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "reprise-supervisor-"));
  file = join(folder, "started");
  said = [];
  supervisor = new Supervisor({
    logFolder: join(folder, "logs"),
    log: (line) => void said.push(line),
    command: { program: process.execPath, script },
  });
});

afterEach(async () => {
  await supervisor.stopAll();
  await rm(folder, { recursive: true, force: true });
});

const starts = (): string[][] =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => line.split(" "))
    : [];

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !condition(); ) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await sleep(20);
  }
}

describe("the supervisor", () => {
  it("starts a killed child again, with a failpoint only the first time", async () => {
    supervisor.keep({ name: "child", args: [file], env: { REPRISE_FAILPOINT: "after-cut" } });
    await until("the first start", () => starts().length === 1);
    process.kill(supervisor.pid("child") as number, "SIGKILL");
    await until("the second start", () => starts().length === 2);
    expect(starts().map(([, failpoint]) => failpoint)).toEqual(["after-cut", "-"]);
    expect(said[0]).toContain("child ended (SIGKILL)");
    expect(supervisor.pid("child")).toBe(Number(starts()[1]?.[0]));
  });

  it("keeps trying, later and later, with one that dies at once", async () => {
    supervisor.keep({ name: "child", args: [file, "dies"] });
    await until("three starts", () => starts().length === 3);
    expect(said.slice(0, 2)).toEqual([expect.stringContaining("again in 250 ms"), expect.stringContaining("again in 500 ms")]);
  });

  it("does not start again what was released, and ends all it started", async () => {
    supervisor.keep({ name: "a", args: [file] });
    supervisor.keep({ name: "b", args: [file] });
    await until("two starts", () => starts().length === 2);
    const pids = starts().map(([pid]) => Number(pid));
    supervisor.release("a");
    process.kill(supervisor.pid("a") as number, "SIGKILL");
    await until("one to be gone", () => !supervisor.names.includes("a"));
    await supervisor.stopAll();
    expect(pids.map(isAlive)).toEqual([false, false]);
    expect(starts()).toHaveLength(2);
  });

  it("takes its children along when it is killed", async () => {
    const runner = fileURLToPath(new URL("../../../scripts/run-source.mjs", import.meta.url));
    const main = fileURLToPath(new URL("support/supervising.ts", import.meta.url));
    const parent = spawn(process.execPath, [runner, main, folder, file], {
      stdio: "inherit",
      env: { ...process.env, CHILD_SCRIPT: script },
    });
    await until("its child", () => starts().length === 1);
    const child = Number(starts()[0]?.[0]);
    expect(isAlive(child)).toBe(true);
    parent.kill("SIGKILL");
    await until("the child to be gone", () => !isAlive(child));
  });
});
