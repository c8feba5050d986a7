import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const root = join(import.meta.dirname, "../..");

export interface Child {
  readonly process: ChildProcess;
  /** Lines of its output so far. */
  readonly lines: string[];
  /** Resolves with the first line for which `found` is true. */
  until(found: (line: string) => boolean): Promise<string>;
  kill(): Promise<void>;
  /** SIGTERM; resolves when it has ended by itself. */
  stop(): Promise<void>;
}

/** A process of its own that runs a TypeScript file on the sources of the packages. */
export function startChild(file: string, ...args: string[]): Child {
  const child = spawn(process.execPath, ["scripts/run-source.mjs", file, ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const exited = once(child, "exit");
  const output = createInterface({ input: child.stdout });
  output.on("line", (line) => {
    lines.push(line);
    for (const check of waiting) check();
  });
  return {
    process: child,
    lines,
    until: (found) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          const line = lines.find(found);
          if (line === undefined) return;
          waiting.delete(check);
          resolve(line);
        };
        waiting.add(check);
        void exited.then(() => reject(new Error(`${file} ended before; its output: ${lines.slice(-5).join(" | ")}`)));
        check();
      }),
    kill: async () => {
      child.kill("SIGKILL");
      await exited;
    },
    stop: async () => {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
