import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { Failpoint } from "@reprise/engine";

const runner = fileURLToPath(new URL("../../../../scripts/run-source.mjs", import.meta.url));
const main = fileURLToPath(new URL("controller-main.ts", import.meta.url));

/** A controller in a process of its own. */
export interface ControllerProcess {
  readonly url: string;
  /** Resolves with the signal that ended it. */
  readonly ended: Promise<NodeJS.Signals | null>;
  kill(): Promise<void>;
}

/** Resolves when it listens. With a failpoint it dies there, as by kill -9. */
export async function startControllerProcess(bootstrap: string, failpoint?: Failpoint): Promise<ControllerProcess> {
  const child: ChildProcess = spawn(process.execPath, [runner, main, bootstrap, "0"], {
    env: { ...process.env, ...(failpoint === undefined ? {} : { REPRISE_FAILPOINT: failpoint }) },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(child, "exit").then(([, signal]) => signal as NodeJS.Signals | null);
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const first = await Promise.race([once(lines, "line").then(([line]) => line as string), ended.then(() => undefined)]);
  if (first === undefined) throw new Error("the controller ended before it listened");
  return {
    url: first,
    ended,
    kill: async () => {
      child.kill("SIGKILL");
      await ended;
    },
  };
}
