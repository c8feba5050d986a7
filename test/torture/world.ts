import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { deployFile, freePort, Supervisor } from "@reprise/cli";
import { ControllerClient, type Status } from "@reprise/controller";
import { type CommitRecord, decodeCommitRecord, type Failpoint, groupOf, partitionForKey } from "@reprise/engine";
import {
  type Admin,
  createAdmin,
  createColumnarReader,
  createGroupOffsets,
  type EmbeddedBroker,
  startEmbeddedBroker,
} from "@reprise/kafka";
import { type BulkProducer, createBulkProducer } from "../demo/bulk-producer.ts";
import { repositoryFolder } from "../demo/demo-names.ts";
import { until } from "../demo/until.ts";
import { KafkaLog } from "../system/support/kafka-log.ts";
import { BrokerProxy } from "./broker-proxy.ts";
import { Witness } from "./witness.ts";

export const processorName = "ledger";
export const lead = "moves";
export const inputs = [lead, "notices"] as const;
export const outputs = ["entries", "balances"] as const;
export const partitions = 4;
/** Slots of each deployment: how many workers it may have. */
export const slots = 3;

/** A worker by its deployment and slot. */
export interface WorkerName {
  readonly deployment: string;
  readonly slot: number;
}

/** The last commit of each task; undefined for one that has none. */
export type CommitRecords = readonly ({ readonly record: CommitRecord; readonly offset: number } | undefined)[];

const controllerName = "controller";
const startTimeoutMs = 60_000;
/** Of everything that takes a second on a machine with nothing else to do. */
const patienceMs = 90_000;
const nameOf = ({ deployment, slot }: WorkerName): string => `worker/${deployment}/${slot}`;

/**
 * A Kafka, a proxy before it, a controller and workers as processes that see Kafka only through the proxy; and who loads and watches them, directly.
 * Everything listens on 127.0.0.1 and ends with this process, however it ends.
 */
export class World {
  readonly folder: string;
  readonly proxy: BrokerProxy;
  readonly broker: EmbeddedBroker;
  readonly admin: Admin;
  readonly client: ControllerClient;
  readonly witness: Witness;
  readonly #producer: BulkProducer;
  readonly #offsets: ReturnType<typeof createGroupOffsets>;
  readonly #controllers: Supervisor;
  readonly #workers: Supervisor;
  readonly #closers: (() => Promise<unknown>)[];
  /** Of a controller that is started again. */
  readonly #controllerPort: number;

  private constructor(parts: Pick<World, "folder" | "proxy" | "broker" | "admin" | "client" | "witness">, own: OwnParts) {
    ({
      folder: this.folder,
      proxy: this.proxy,
      broker: this.broker,
      admin: this.admin,
      client: this.client,
      witness: this.witness,
    } = parts);
    this.#producer = own.producer;
    this.#offsets = own.offsets;
    this.#controllers = own.controllers;
    this.#workers = own.workers;
    this.#closers = own.closers;
    this.#controllerPort = own.controllerPort;
  }

  /** @param log told what supervisors do: which processes end by themselves */
  static async open(log: (line: string) => void): Promise<World> {
    const closers: (() => Promise<unknown>)[] = [];
    try {
      const parent = join(repositoryFolder(), ".reprise");
      await mkdir(parent, { recursive: true });
      const folder = await mkdtemp(join(parent, "torture-"));
      const proxy = await BrokerProxy.listen();
      closers.push(() => proxy.close());
      const broker = await startEmbeddedBroker({ folder: join(folder, "broker"), proxyPort: proxy.port, heapMb: 384 });
      closers.push(() => broker.stop());
      proxy.leadTo(broker.proxiedPort as number);
      const connection = { bootstrap: broker.bootstrap };
      const admin = createAdmin(connection);
      closers.push(() => admin.close());
      const offsets = createGroupOffsets(connection);
      closers.push(() => offsets.close());
      await admin.createTopics([...inputs, ...outputs].map((name) => ({ name, partitions })));
      const producer = await createBulkProducer(connection);
      closers.push(() => producer.close());
      const witness = Witness.start(await createColumnarReader({ ...connection, clientId: "witness" }), outputs, partitions);
      closers.push(() => witness.stop());
      const logFolder = join(folder, "logs");
      const controllers = new Supervisor({ logFolder, log });
      closers.push(() => controllers.stopAll());
      const script = join(repositoryFolder(), "test", "torture", "worker.mjs");
      const workers = new Supervisor({ logFolder, log, command: { program: process.execPath, script } });
      closers.push(() => workers.stopAll());
      const controllerPort = await freePort();
      const client = new ControllerClient(`http://127.0.0.1:${controllerPort}`, { patienceMs });
      const world = new World(
        { folder, proxy, broker, admin, client, witness },
        { producer, offsets, controllers, workers, closers, controllerPort },
      );
      world.startController();
      await until("the controller to answer", startTimeoutMs, () => client.status().catch(() => undefined));
      return world;
    } catch (error) {
      for (const close of closers.reverse()) await close().catch(() => undefined);
      throw error;
    }
  }

  /** Ends every process. Each is tried, whatever became of the others. */
  async close({ keepFolder = false } = {}): Promise<void> {
    // One that is frozen would not hear of it.
    for (const name of this.#workers.names) signal(this.#workers.pid(name), "SIGCONT");
    this.proxy.disarm();
    for (const close of this.#closers.splice(0).reverse()) await close().catch(() => undefined);
    if (!keepFolder) await rm(this.folder, { recursive: true, force: true });
  }

  startController(env?: { readonly [name: string]: string }): void {
    this.#controllers.keep({
      name: controllerName,
      args: [
        ...["controller", "--bootstrap", this.#bootstrap, "--port", String(this.#controllerPort), "--take-over"],
        ...["--checkpoints", join(this.folder, "checkpoints"), "--stability", "500"],
      ],
      ...(env === undefined ? {} : { env }),
    });
  }

  /** Ends the controller as by kill -9; it stays away until `startController`. */
  async killController(): Promise<void> {
    const pid = this.#controllers.pid(controllerName);
    this.#controllers.release(controllerName);
    signal(pid, "SIGKILL");
    await until("the controller to be gone", patienceMs, async () => (this.#controllers.names.length === 0 ? true : undefined));
  }

  /** Builds and deploys the ledger: a first deployment, then others of the same version. */
  async deploy(): Promise<string> {
    const file = join(repositoryFolder(), "test", "torture", "processors", "ledger.ts");
    const { deployment } = await deployFile(file, {
      client: this.client,
      artifactFolder: join(this.folder, "artifacts"),
      workers: slots,
    });
    return deployment;
  }

  /** Starts it unless it runs, and again whenever it dies. */
  startWorker(worker: WorkerName, env?: { readonly [name: string]: string }): void {
    const { deployment, slot } = worker;
    this.#workers.keep({
      name: nameOf(worker),
      args: ["--deployment", deployment, "--slot", String(slot), "--bootstrap", this.#bootstrap, "--folder", this.folder],
      // Transaction calls block libuv's threads for as long as a broker is away; the store needs some meanwhile.
      env: { UV_THREADPOOL_SIZE: "16", ...env },
    });
  }

  /** Those that are to run, whether they do at this moment or not. */
  workersOf(deployment: string): WorkerName[] {
    const prefix = `worker/${deployment}/`;
    return this.#workers.names
      .filter((name) => name.startsWith(prefix))
      .map((name) => ({ deployment, slot: Number(name.slice(prefix.length)) }))
      .sort((a, b) => a.slot - b.slot);
  }

  pidOf(worker: WorkerName): number | undefined {
    return this.#workers.pid(nameOf(worker));
  }

  /** Whether a worker, or the controller, has died at this failpoint. */
  async diedAt(point: Failpoint, worker?: WorkerName): Promise<boolean> {
    const file = worker === undefined ? this.#controllers.logFile(controllerName) : this.#workers.logFile(nameOf(worker));
    return (await readFile(file, "utf8").catch(() => "")).split("\n").includes(`failpoint ${point}`);
  }

  stateFolder({ deployment, slot }: WorkerName): string {
    return join(this.folder, "state", deployment, String(slot));
  }

  /** As by kill -9; it stays away until `startWorker`. False when it does not run at this moment. */
  async killWorker(worker: WorkerName): Promise<boolean> {
    const name = nameOf(worker);
    const pid = this.#workers.pid(name);
    if (pid === undefined) return false;
    this.#workers.release(name);
    signal(pid, "SIGKILL");
    await until(`${name} to be gone`, patienceMs, async () => (this.#workers.names.includes(name) ? undefined : true));
    return true;
  }

  /** Ends it cleanly; it stays away until `startWorker`. */
  stopWorker(worker: WorkerName): Promise<void> {
    return this.#workers.stop(nameOf(worker));
  }

  /** SIGSTOP, and SIGCONT later, by a process that outlives this one: nothing stays frozen for ever. Resolves when it goes on. */
  async freezeWorker(worker: WorkerName, ms: number): Promise<boolean> {
    const pid = this.pidOf(worker);
    if (pid === undefined) return false;
    const script = 'kill -STOP "$1" && sleep "$2"; kill -CONT "$1"';
    const shell = spawn("sh", ["-c", script, "freeze", String(pid), String(ms / 1000)], { detached: true, stdio: "ignore" });
    await new Promise((resolve) => shell.once("exit", resolve).once("error", resolve));
    return true;
  }

  /** Writes to the partitions of the keys, in this order per partition; resolves when all are acknowledged. */
  async send(records: Iterable<{ readonly topic: string; readonly key: string; readonly value: object; readonly timestampMs: number }>) {
    for (const { topic, key, value, timestampMs } of records) {
      const bytes = Buffer.from(key);
      const text = Buffer.from(JSON.stringify(value));
      while (!this.#producer.produce(topic, partitionForKey(bytes, partitions), bytes, text, timestampMs)) await sleep(5);
    }
    await this.#producer.flush();
  }

  /** The commit records of a deployment, by task. */
  async commitRecords(deployment: string): Promise<CommitRecords> {
    const asked = Array.from({ length: partitions }, (_, partition) => ({ topic: lead, partition }));
    const found = await this.#offsets.committed(groupOf(deployment), asked);
    return asked.map(({ partition }) => {
      const one = found.find((each) => each.partition === partition);
      const record = one === undefined ? undefined : decodeCommitRecord(one.metadata);
      return one === undefined || record === undefined ? undefined : { record, offset: one.offset };
    });
  }

  /** Where the inputs end now: by topic, then partition. */
  async ends(): Promise<ReadonlyMap<string, readonly number[]>> {
    return new Map(await Promise.all(inputs.map(async (topic) => [topic, await this.admin.endOffsets(topic)] as const)));
  }

  async status(): Promise<Status> {
    return this.client.status();
  }

  /** What is on the outputs and inputs now; of the inputs at least what the outputs come from. */
  read(): Promise<KafkaLog> {
    return KafkaLog.read(this.broker.bootstrap, this.admin, [...outputs, ...inputs]);
  }

  get #bootstrap(): string {
    return `127.0.0.1:${this.proxy.port}`;
  }
}

interface OwnParts {
  readonly producer: BulkProducer;
  readonly offsets: ReturnType<typeof createGroupOffsets>;
  readonly controllers: Supervisor;
  readonly workers: Supervisor;
  readonly closers: (() => Promise<unknown>)[];
  readonly controllerPort: number;
}

/** Whether every task has committed everything below these ends. */
export function reached(records: CommitRecords, ends: ReadonlyMap<string, readonly number[]>): boolean {
  return records.every(
    (found, partition) =>
      found !== undefined && [...ends].every(([topic, offsets]) => (found.record.position[topic] ?? 0) >= (offsets[partition] ?? 0)),
  );
}

function signal(pid: number | undefined, name: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(pid, name);
  } catch {
    // It ended by itself meanwhile.
  }
}
