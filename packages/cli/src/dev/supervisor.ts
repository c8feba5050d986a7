import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { BackOff } from "./back-off.ts";
import { type Command, repriseCommand } from "./child-command.ts";

/** One process to keep running. */
export interface ChildSpec {
  /** Names it in messages and its log file. */
  readonly name: string;
  /** Arguments of the `reprise` command. */
  readonly args: readonly string[];
  readonly env?: { readonly [name: string]: string };
}

export interface SupervisorOptions {
  readonly logFolder: string;
  readonly log: (line: string) => void;
  /** Default: this very command. */
  readonly command?: Command;
}

interface Kept {
  readonly spec: ChildSpec;
  readonly backOff: BackOff;
  process: ChildProcess | undefined;
  startedAtMs: number;
  starts: number;
  restart: NodeJS.Timeout | undefined;
  wanted: boolean;
  /** Resolves when the process is gone. */
  gone: Promise<void>;
}

/** After SIGTERM; workers commit, checkpoint and leave their group within some seconds. */
const stopGraceMs = 10_000;

/** A failpoint is for the first process: the one that is started in its place has to go on. */
const firstStartOnly = "REPRISE_FAILPOINT";

/**
 * Keeps child processes running until they are dropped: what dies is started again, with a back-off. Children hold an IPC channel to
 * this process and end by themselves when it is gone, even by kill -9.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #command: Command;
  readonly #kept = new Map<string, Kept>();
  #stopped = false;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#command = options.command ?? repriseCommand();
    mkdirSync(options.logFolder, { recursive: true });
  }

  get names(): string[] {
    return [...this.#kept.keys()];
  }

  /** Undefined while it is not running. */
  pid(name: string): number | undefined {
    return this.#kept.get(name)?.process?.pid;
  }

  /** How often it was started so far. */
  starts(name: string): number {
    return this.#kept.get(name)?.starts ?? 0;
  }

  logFile(name: string): string {
    return join(this.#options.logFolder, `${name.replaceAll("/", "-")}.log`);
  }

  /** Starts it unless it is kept already. */
  keep(spec: ChildSpec): void {
    if (this.#stopped) return;
    const known = this.#kept.get(spec.name);
    if (known !== undefined) {
      known.wanted = true;
      return;
    }
    const kept: Kept = {
      spec,
      backOff: new BackOff(),
      process: undefined,
      startedAtMs: 0,
      starts: 0,
      restart: undefined,
      wanted: true,
      gone: Promise.resolve(),
    };
    this.#kept.set(spec.name, kept);
    this.#start(kept);
  }

  /** It may end by itself, and is not started again; `stop` ends what does not. */
  release(name: string): void {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    kept.wanted = false;
    clearTimeout(kept.restart);
    if (kept.process === undefined) this.#kept.delete(name);
  }

  /** SIGTERM, after 10 s SIGKILL; resolves when it is gone. */
  async stop(name: string): Promise<void> {
    const kept = this.#kept.get(name);
    if (kept === undefined) return;
    this.release(name);
    const { process: child } = kept;
    if (child === undefined) return;
    child.kill("SIGTERM");
    const force = setTimeout(() => child.kill("SIGKILL"), stopGraceMs);
    await kept.gone;
    clearTimeout(force);
  }

  /** Ends all but the named ones first, then those: workers before the controller. */
  async stopAll(last: readonly string[] = []): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.names.filter((name) => !last.includes(name)).map((name) => this.stop(name)));
    await Promise.all(last.map((name) => this.stop(name)));
  }

  #start(kept: Kept): void {
    const { spec } = kept;
    const logFile = openSync(this.logFile(spec.name), "a");
    const { [firstStartOnly]: _failpoint, ...later } = spec.env ?? {};
    const child = spawn(this.#command.program, [this.#command.script, ...spec.args], {
      env: { ...process.env, ...(kept.starts === 0 ? spec.env : later) },
      stdio: ["ignore", logFile, logFile, "ipc"],
      // Its own group: Ctrl-C reaches us alone, and we end our children in order.
      detached: true,
    });
    closeSync(logFile);
    kept.process = child;
    kept.starts++;
    kept.startedAtMs = Date.now();
    kept.gone = new Promise((resolve) => {
      child.once("error", () => resolve());
      child.once("exit", (code, signal) => {
        this.#exited(kept, code, signal);
        resolve();
      });
    });
  }

  #exited(kept: Kept, code: number | null, signal: NodeJS.Signals | null): void {
    const { name } = kept.spec;
    kept.process = undefined;
    if (!kept.wanted || this.#stopped) {
      this.#kept.delete(name);
      return;
    }
    const delayMs = kept.backOff.next(Date.now() - kept.startedAtMs);
    this.#options.log(`${name} ended (${signal ?? `exit status ${code}`}); starting it again in ${delayMs} ms, log: ${this.logFile(name)}`);
    kept.restart = setTimeout(() => {
      if (kept.wanted && !this.#stopped) this.#start(kept);
    }, delayMs);
  }
}
