import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { guardAgainstParentDeath } from "./parent-guard.ts";

/** A running broker, or the `docker run` in front of one. */
export interface BrokerProcess {
  readonly pid: number;
  readonly exited: Promise<void>;
  hasExited(): boolean;
  signal(signal: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL after `graceMs`; resolves when it is gone. */
  stop(graceMs: number): Promise<void>;
}

export interface BrokerCommand {
  readonly command: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly containerName?: string;
  /** Removed when this process dies without stopping the broker. */
  readonly removeFolder?: string;
}

export async function spawnBroker(options: BrokerCommand): Promise<BrokerProcess> {
  const log = openSync(options.logFile, "a");
  let child: ChildProcess;
  try {
    // Its own group: Ctrl-C must not end the broker before the workers that talk to it.
    child = spawn(options.command, options.args, { detached: true, stdio: ["ignore", log, log] });
  } finally {
    closeSync(log);
  }
  await new Promise<void>((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  const pid = child.pid as number;
  const guard = guardAgainstParentDeath(pid, options);
  let gone = false;
  const exited = new Promise<void>((resolve) =>
    child.once("exit", () => {
      gone = true;
      guard.release();
      resolve();
    }),
  );
  const signal = (name: NodeJS.Signals): void => {
    if (gone) return;
    // docker run forwards all signals but these two.
    if (options.containerName !== undefined && (name === "SIGKILL" || name === "SIGSTOP" || name === "SIGCONT")) {
      const verb = name === "SIGKILL" ? "kill" : name === "SIGSTOP" ? "pause" : "unpause";
      spawn("docker", [verb, options.containerName], { stdio: "ignore" }).on("error", () => undefined);
    } else child.kill(name);
  };
  return {
    pid,
    exited,
    hasExited: () => gone,
    signal,
    async stop(graceMs) {
      if (gone) return;
      signal("SIGTERM");
      // One that was frozen with SIGSTOP would never see it.
      signal("SIGCONT");
      const waiting = new AbortController();
      const timer = sleep(graceMs, undefined, { signal: waiting.signal }).then(
        () => signal("SIGKILL"),
        () => undefined,
      );
      await exited;
      waiting.abort();
      await timer;
    },
  };
}

/** The last lines of a log, without stack frames: what a person needs to see first. */
export function lastLines(logFile: string, count: number): string {
  try {
    const lines = readFileSync(logFile, "utf8").split("\n");
    return lines
      .filter((line) => line.trim() !== "" && !/^\s+at /.test(line))
      .slice(-count)
      .join("\n");
  } catch {
    return "";
  }
}
