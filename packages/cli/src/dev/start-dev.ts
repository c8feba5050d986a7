import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { ControllerClient } from "@reprise/controller";
import { createAdmin, type EmbeddedBroker, startEmbeddedBroker } from "@reprise/kafka";
import { RepriseError } from "@reprise/schema";
import { deployFile } from "../artifact/deploy-file.ts";
import { warningText } from "../artifact/find-nondeterminism.ts";
import {
  defaultDevFolder,
  type DevFolder,
  devFolder,
  isAlive,
  refuseSecondSupervisor,
  removeControllerFile,
  writeControllerFile,
} from "./dev-folder.ts";
import { DevWorkers } from "./dev-workers.ts";
import { freePort } from "./free-port.ts";
import { lastLines } from "./last-lines.ts";
import { Supervisor } from "./supervisor.ts";

export interface DevOptions {
  /** Default `.reprise/dev`. */
  readonly folder?: string;
  /** An existing cluster; default: REPRISE_BOOTSTRAP, else an embedded broker. */
  readonly bootstrap?: string;
  /** Processor files, deployed unless the same code is deployed already. */
  readonly processors?: readonly string[];
  /** Workers of each deployed processor file. Default 1. */
  readonly workers?: number;
  /** Partitions of input topics that do not exist yet; with the embedded broker only. Default 4; 0: refuse. */
  readonly createTopics?: number;
  /** Remove the whole folder when stopping, and begin with an empty one. */
  readonly throwAway?: boolean;
  /** Default: a free one. */
  readonly controllerPort?: number;
  /** See ControllerOptions. */
  readonly stabilityMs?: number;
  /** For every worker; REPRISE_FAILPOINT only for its first process. */
  readonly workerEnv?: { readonly [name: string]: string };
  readonly controllerEnv?: { readonly [name: string]: string };
  readonly brokerHeapMb?: number;
  /** Progress, for people. */
  readonly log?: (line: string) => void;
}

/** A broker, a controller and workers as they run on this machine. */
export interface RunningDev {
  readonly controllerUrl: string;
  readonly bootstrap: string;
  /** Patient: calls go on while a killed controller is being started again. */
  readonly client: ControllerClient;
  readonly folder: DevFolder;
  /** Undefined with an existing cluster. */
  readonly broker?: EmbeddedBroker;
  /** Undefined while it is being started again. */
  controllerPid(): number | undefined;
  /** Of the workers that run now, by slot. */
  workerPids(deployment: string): number[];
  /** The log file of `controller` or of `worker-<deployment>-<slot>`. */
  logFile(name: string): string;
  /** Builds and deploys a processor file. */
  deploy(file: string, options?: { readonly workers?: number; readonly params?: { readonly [name: string]: unknown } }): Promise<string>;
  /** Ends workers, controller and broker, in this order. */
  stop(): Promise<void>;
}

const controllerName = "controller";
const startTimeoutMs = 60_000;
const pollMs = 250;
/** A controller that died is back within seconds; `client` waits for it. */
const restartPatienceMs = 15_000;

/**
 * Runs everything on this machine: broker (or an existing cluster), controller, and the workers that the controller wants, each in a
 * process of its own that is started again when it dies.
 * @throws RepriseError STATE_LOCKED, JAVA_MISSING, BROKER_UNREACHABLE, WORKER_FAILED (the controller did not start), and what deploying throws
 */
export async function startDev(options: DevOptions = {}): Promise<RunningDev> {
  const folder = devFolder(options.folder ?? defaultDevFolder);
  await refuseSecondSupervisor(folder);
  if (options.throwAway === true) await rm(folder.root, { recursive: true, force: true });
  const dev = new Dev(folder, options);
  try {
    await dev.start();
    return dev;
  } catch (error) {
    await dev.stop();
    throw error;
  }
}

class Dev implements RunningDev {
  readonly folder: DevFolder;
  bootstrap = "";
  controllerUrl = "";
  client = new ControllerClient("http://127.0.0.1:0");
  /** Without patience: the supervisor looks again soon anyway. */
  #probe = this.client;
  broker?: EmbeddedBroker;
  readonly #options: DevOptions;
  readonly #log: (line: string) => void;
  readonly #supervisor: Supervisor;
  #workers: DevWorkers | undefined;
  #watching: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(folder: DevFolder, options: DevOptions) {
    this.folder = folder;
    this.#options = options;
    this.#log = options.log ?? (() => undefined);
    this.#supervisor = new Supervisor({ logFolder: folder.logs, log: this.#log });
  }

  async start(): Promise<void> {
    this.bootstrap = await this.#startBroker();
    await this.#startController();
    const { folder, bootstrap } = this;
    this.#workers = new DevWorkers({ supervisor: this.#supervisor, folder, bootstrap, env: this.#options.workerEnv ?? {} });
    await writeControllerFile(this.folder, { url: this.controllerUrl, pid: process.pid, bootstrap: this.bootstrap });
    for (const file of this.#options.processors ?? []) await this.#deployIfNew(file);
    this.#watching = this.#watch();
  }

  controllerPid(): number | undefined {
    return this.#supervisor.pid(controllerName);
  }

  workerPids(deployment: string): number[] {
    const names = this.#workers?.names(deployment) ?? [];
    return names.map((name) => this.#supervisor.pid(name)).filter((pid) => pid !== undefined);
  }

  logFile(name: string): string {
    return this.#supervisor.logFile(name);
  }

  async deploy(
    file: string,
    options: { readonly workers?: number; readonly params?: { readonly [name: string]: unknown } } = {},
  ): Promise<string> {
    const workers = options.workers ?? this.#options.workers;
    const { deployment } = await deployFile(file, {
      client: this.client,
      artifactFolder: this.folder.artifacts,
      ...(workers === undefined ? {} : { workers }),
      ...(options.params === undefined ? {} : { params: options.params }),
    });
    return deployment;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#watching;
    await this.#supervisor.stopAll([controllerName]);
    await this.broker?.stop();
    await removeControllerFile(this.folder);
    if (this.#options.throwAway === true) await rm(this.folder.root, { recursive: true, force: true });
  }

  async #startBroker(): Promise<string> {
    const given = this.#options.bootstrap ?? process.env.REPRISE_BOOTSTRAP;
    if (given !== undefined && given !== "") return given;
    const heapMb = this.#options.brokerHeapMb;
    this.broker = await startEmbeddedBroker({ folder: this.folder.broker, log: this.#log, ...(heapMb === undefined ? {} : { heapMb }) });
    return this.broker.bootstrap;
  }

  async #startController(): Promise<void> {
    // Chosen once, so that a controller that is started again is found where the first one was.
    const port = this.#options.controllerPort ?? (await freePort());
    const { stabilityMs, controllerEnv } = this.#options;
    this.controllerUrl = `http://127.0.0.1:${port}`;
    this.client = new ControllerClient(this.controllerUrl, { patienceMs: restartPatienceMs });
    this.#probe = new ControllerClient(this.controllerUrl);
    this.#supervisor.keep({
      name: controllerName,
      args: [
        ...["controller", "--bootstrap", this.bootstrap, "--port", String(port), "--checkpoints", this.folder.checkpoints, "--take-over"],
        ...(stabilityMs === undefined ? [] : ["--stability", String(stabilityMs)]),
      ],
      ...(controllerEnv === undefined ? {} : { env: controllerEnv }),
    });
    const deadline = Date.now() + startTimeoutMs;
    for (;;) {
      const answered = await this.#probe.status().then(
        () => true,
        () => false,
      );
      if (answered) break;
      if (Date.now() > deadline || this.#supervisor.starts(controllerName) > 3) {
        const file = this.logFile(controllerName);
        throw new RepriseError("WORKER_FAILED", `The controller did not start; the end of its log ${file}:\n${await lastLines(file, 10)}`, {
          details: { log: file },
        });
      }
      await sleep(50);
    }
    this.#log(`Controller at ${this.controllerUrl}`);
  }

  async #deployIfNew(file: string): Promise<void> {
    const createTopics = this.broker === undefined ? 0 : (this.#options.createTopics ?? 4);
    const admin = createAdmin({ bootstrap: this.bootstrap });
    try {
      const workers = this.#options.workers;
      const { deployment, isNew, artifact } = await deployFile(file, {
        client: this.client,
        artifactFolder: this.folder.artifacts,
        onlyIfNew: true,
        ...(workers === undefined ? {} : { workers }),
        beforeDeploy: async ({ inputs }) => {
          if (createTopics === 0) return;
          const existing = await admin.describeTopics(inputs);
          const missing = inputs.filter((name) => !existing.has(name));
          const { created } = await admin.createTopics(missing.map((name) => ({ name, partitions: createTopics })));
          for (const topic of created) this.#log(`Created the topic ${topic} with ${createTopics} partitions`);
        },
      });
      for (const warning of artifact.warnings) this.#log(`warning: ${warningText(warning)}`);
      this.#log(isNew ? `Deployed ${deployment} from ${file}` : `${deployment} is deployed already`);
    } finally {
      await admin.close();
    }
  }

  /** Brings the workers about that the controller wants. A controller that does not answer changes nothing. */
  async #watch(): Promise<void> {
    while (!this.#stopped) {
      const status = await this.#probe.status().catch(() => undefined);
      if (status !== undefined && !this.#stopped) for (const deployment of status.deployments) await this.#workers?.adjust(deployment);
      if (this.broker !== undefined && !isAlive(this.broker.pid) && !this.#stopped) {
        this.#log("the broker ended; starting it again");
        await this.broker.restart().catch((error: unknown) => this.#log(`the broker did not start: ${String(error)}`));
      }
      await sleep(pollMs);
    }
  }
}
