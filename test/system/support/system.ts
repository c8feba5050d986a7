import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { type RunningDev, startDev } from "@reprise/cli";
import type { DeploymentStatus } from "@reprise/controller";
import { type CommitRecord, decodeCommitRecord, groupOf, partitionForKey } from "@reprise/engine";
import { type Admin, createAdmin, createGroupOffsets } from "@reprise/kafka";
import { type BulkProducer, createBulkProducer } from "../../demo/bulk-producer.ts";
import { repositoryFolder } from "../../demo/demo-names.ts";
import { until } from "../../demo/until.ts";
import { KafkaLog } from "./kafka-log.ts";

export interface InputRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: object;
  readonly timestampMs: number;
}

const patienceMs = 240_000;

export interface VerifyAnswer {
  readonly ok: boolean;
  readonly verdicts: readonly {
    readonly records: number;
    readonly compared: number;
    readonly flagged: number;
    readonly mismatch?: object;
  }[];
}

/** A Kafka of its own, a controller and workers as processes, and clients to load, follow and judge them. */
export class System {
  readonly dev: RunningDev;
  readonly admin: Admin;
  readonly producer: BulkProducer;
  readonly #offsets: ReturnType<typeof createGroupOffsets>;
  readonly #folder: string;
  readonly #partitions = new Map<string, number>();

  private constructor(dev: RunningDev, producer: BulkProducer, folder: string) {
    this.dev = dev;
    this.producer = producer;
    this.#folder = folder;
    this.admin = createAdmin({ bootstrap: dev.bootstrap });
    this.#offsets = createGroupOffsets({ bootstrap: dev.bootstrap });
  }

  static async open(): Promise<System> {
    const parent = join(repositoryFolder(), ".reprise");
    await mkdir(parent, { recursive: true });
    const folder = await mkdtemp(join(parent, "system-"));
    const dev = await startDev({ folder: join(folder, "dev"), stabilityMs: 1000, brokerHeapMb: 384 });
    return new System(dev, await createBulkProducer({ bootstrap: dev.bootstrap }), folder);
  }

  /** Ends every process; with `keepFolder` the logs stay in `.reprise/system-…/dev/logs`. */
  async close({ keepFolder = false } = {}): Promise<void> {
    await this.producer.close();
    await this.#offsets.close();
    await this.admin.close();
    await this.dev.stop();
    if (!keepFolder) await rm(this.#folder, { recursive: true, force: true });
  }

  async createTopics(partitions: number, ...names: string[]): Promise<void> {
    await this.admin.createTopics(names.map((name) => ({ name, partitions })));
    for (const name of names) this.#partitions.set(name, partitions);
  }

  /** Writes records to the partitions of their keys, in this order per partition; resolves when all are acknowledged. */
  async send(records: Iterable<InputRecord>): Promise<void> {
    for (const { topic, key, value, timestampMs } of records) {
      const keyBytes = Buffer.from(key);
      const partition = partitionForKey(keyBytes, this.#partitions.get(topic) ?? 0);
      const bytes = Buffer.from(JSON.stringify(value));
      while (!this.producer.produce(topic, partition, keyBytes, bytes, timestampMs)) await sleep(5);
    }
    await this.producer.flush();
  }

  /** Builds and deploys a file of ../processors; its deployment's id. */
  deploy(name: string, workers = 1): Promise<string> {
    return this.dev.deploy(join(import.meta.dirname, "..", "processors", `${name}.ts`), { workers });
  }

  /** Waits until a deployment is in a state. @throws at once, with the reason, when it has failed */
  reaches(id: string, state: DeploymentStatus["state"]): Promise<DeploymentStatus> {
    return until(`${id} to be ${state}`, patienceMs, async () => {
      const found = (await this.dev.client.status()).deployments.find((one) => one.id === id);
      if (found?.state === "Failed" && state !== "Failed") throw new Error(`${id} has failed: ${found.reason}`);
      return found?.state === state ? found : undefined;
    });
  }

  /** The last commit record of each task; undefined for one that has committed nothing. */
  async commitRecords(id: string, lead: string): Promise<(CommitRecord | undefined)[]> {
    const asked = Array.from({ length: this.#partitions.get(lead) ?? 0 }, (_, partition) => ({ topic: lead, partition }));
    const found = await this.#offsets.committed(groupOf(id), asked);
    return asked.map(({ partition }) => {
      const metadata = found.find((one) => one.partition === partition)?.metadata;
      return metadata === undefined ? undefined : decodeCommitRecord(metadata);
    });
  }

  /** Waits until every task has committed what the topics hold now, partition p of each for task p; their commit records then. */
  async settled(id: string, topics: readonly [string, ...string[]], timeoutMs = patienceMs): Promise<CommitRecord[]> {
    const ends = await Promise.all(topics.map((topic) => this.admin.endOffsets(topic)));
    return until(`${id} to commit all of ${topics.join(", ")}`, timeoutMs, async () => {
      const records = await this.commitRecords(id, topics[0]);
      const there = records.every(
        (record, partition) =>
          record !== undefined && topics.every((topic, i) => (record.position[topic] ?? 0) >= (ends[i]?.[partition] ?? 0)),
      );
      return there ? (records as CommitRecord[]) : undefined;
    });
  }

  /** What `reprise verify` answers of a deployment, and its exit status. */
  async verify(id: string, ...flags: string[]): Promise<{ readonly status: number; readonly answer: VerifyAnswer }> {
    const folder = join(this.#folder, "dev");
    const args = ["verify", id, "--json", "--bootstrap", this.dev.bootstrap, ...flags];
    const child = spawn(
      process.execPath,
      [
        join(repositoryFolder(), "packages/cli/bin/reprise.mjs"),
        ...args,
        ...["--artifacts", join(folder, "artifacts"), "--checkpoints", join(folder, "checkpoints")],
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    );
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
    const [status] = (await once(child, "close")) as [number];
    return { status, answer: JSON.parse(lines.at(-1) ?? "{}") as VerifyAnswer };
  }

  /** What is on topics now. */
  read(...topics: string[]): Promise<KafkaLog> {
    return KafkaLog.read(this.dev.bootstrap, this.admin, topics);
  }
}
