import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ControlEvent,
  controlTopic,
  type DeployedInput,
  type DeploymentSpec,
  deadLetterTopicOf,
  deltaTopicOf,
  type GroupOffsets,
  groupOf,
  routeTopicOf,
  statusTopic,
} from "@reprise/engine";
import {
  type Admin,
  createAdmin,
  createGroupOffsets,
  createRecordProducer,
  type EmbeddedBroker,
  type RecordProducer,
  startEmbeddedBroker,
} from "@reprise/kafka";
import { RepriseError } from "@reprise/schema";
import { startWorker, type Worker, type WorkerOptions } from "@reprise/worker";
import { pino } from "pino";
import { type Child, startChild } from "../../../../test/support/child-process.ts";
import type { Names } from "../processors/names.ts";
import { makeArtifact } from "./artifact.ts";
import { type ReadRecord, readTopic } from "./read-topic.ts";
import { until } from "./until.ts";

export interface DeployWish {
  /** A file of ../processors. */
  readonly source: string;
  readonly processor?: string;
  readonly version?: number;
  /** Topics; default: one of its own, which is created. */
  readonly inputs?: readonly string[];
  readonly partitions?: number;
  readonly workers?: number;
  /** Where a further deployment of a processor would publish to; default: a topic of its own. */
  readonly output?: string;
  readonly policy?: Names["policy"];
  readonly start?: DeploymentSpec["start"];
}

/** Other than sources have, so that records really move. */
const internalPartitions = 3;

export interface TestRecord {
  readonly topic?: string;
  readonly key: string | null;
  readonly value: object | string | null;
  readonly timestampMs?: number;
}

/** What a worker logged, one object per line. */
export type LogLine = { readonly msg?: string; readonly how?: string; readonly partition?: number; readonly [field: string]: unknown };

export interface LocalWorker {
  readonly worker: Worker;
  readonly log: readonly LogLine[];
}

export interface ChildWorker {
  readonly child: Child;
  readonly log: () => LogLine[];
  /** Where /healthz, /metrics and /views answer. */
  readonly url: () => Promise<string>;
  /** What it ended with by itself. */
  readonly failure: () => Promise<{
    readonly code: string;
    readonly message: string;
    readonly details: { readonly [name: string]: unknown };
  }>;
}

/** A Kafka of its own: there is one control topic per cluster, and the controllers of other tests would act on what is deployed here. */
export class Lab {
  /** One, where nothing else was asked for. */
  readonly brokers: readonly EmbeddedBroker[];
  readonly bootstrap: string;
  readonly admin: Admin;
  readonly producer: RecordProducer;
  readonly groupOffsets: GroupOffsets & { close(): Promise<void> };
  readonly folder: string;
  readonly #closers: (() => Promise<unknown>)[] = [];

  private constructor(brokers: readonly EmbeddedBroker[], folder: string) {
    const bootstrap = brokers.map((broker) => broker.bootstrap).join(",");
    this.brokers = brokers;
    this.bootstrap = bootstrap;
    this.folder = folder;
    this.admin = createAdmin({ bootstrap });
    this.producer = createRecordProducer({ bootstrap });
    this.groupOffsets = createGroupOffsets({ bootstrap });
  }

  get broker(): EmbeddedBroker {
    return this.brokers[0] as EmbeddedBroker;
  }

  /** @param settings further ones of the broker, by Kafka's names */
  static async open(settings: Readonly<Record<string, string>> = {}): Promise<Lab> {
    return await Lab.over([await startEmbeddedBroker({ heapMb: 384, settings })]);
  }

  /** With brokers that run, and end with it. */
  static async over(brokers: readonly EmbeddedBroker[]): Promise<Lab> {
    const lab = new Lab(brokers, await mkdtemp(join(tmpdir(), "reprise-worker-")));
    await lab.admin.createTopics([
      { name: controlTopic, partitions: 1 },
      { name: statusTopic, partitions: 1, config: { "cleanup.policy": "compact" } },
    ]);
    return lab;
  }

  /** Ends everything. */
  async close(): Promise<void> {
    await this.settle();
    await this.producer.close();
    await this.groupOffsets.close();
    await this.admin.close();
    await Promise.all(this.brokers.map((broker) => broker.stop()));
    await rm(this.folder, { recursive: true, force: true });
  }

  onClose(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  /** Ends every worker that a test left running. */
  async settle(): Promise<void> {
    for (const close of this.#closers.splice(0).toReversed()) await close();
  }

  /** What a controller does to deploy: topics, and the decision on the control log. */
  async deploy(wish: DeployWish): Promise<Deployed> {
    const processor = wish.processor ?? `${wish.source}-${randomUUID().slice(0, 8)}`;
    const { version = 1, partitions = 4, workers = 1 } = wish;
    const inputs = wish.inputs ?? [`${processor}-in`];
    const output = wish.output ?? `${processor}-out`;
    const names: Names = { processor, version, inputs, output, ...(wish.policy === undefined ? {} : { policy: wish.policy }) };
    const { sha256, definition } = await makeArtifact(join(this.folder, "artifacts"), wish.source, names);
    const id = `${processor}.v${version}.1`;
    await this.admin.createTopics(
      [...inputs, output, deltaTopicOf(id), deadLetterTopicOf(processor)].map((name) => ({ name, partitions })),
    );
    const routed = definition.manifest.inputs.flatMap((input) =>
      input.kind === "rekey" ? [{ name: `${input.topic}-by-${input.key.name}`, source: input.topic }] : [],
    );
    const internal = routed.map(({ name }) => routeTopicOf(id, name));
    await this.admin.createTopics(internal.map((name) => ({ name, partitions: internalPartitions })));
    const described = await this.admin.describeTopics([...inputs, ...internal]);
    const deployed = (topic: string): DeployedInput => ({
      topic,
      topicId: described.get(topic)?.topicId ?? "",
      partitions: described.get(topic)?.partitions ?? 0,
    });
    const routes = routed.map(({ name, source }, index) => ({ ...deployed(internal[index] as string), name, source: deployed(source) }));
    const spec: DeploymentSpec = {
      id,
      processor,
      version,
      artifact: sha256,
      manifest: { ...definition.manifest },
      params: {},
      inputs: [...internal, ...inputs.filter((topic) => !routed.some(({ source }) => source === topic))].map(deployed),
      ...(routes.length === 0 ? {} : { routes }),
      workers,
      maxSlots: workers,
      start: wish.start ?? "earliest",
      commitIntervalMs: 50,
    };
    await this.decide({ type: "DeploymentCreated", deployment: spec, publishes: version === 1 });
    return new Deployed(this, spec, names);
  }

  async decide(event: ControlEvent): Promise<void> {
    const record = { format: 1, idempotencyKey: randomUUID(), atMs: Date.now(), by: "test", event };
    await this.producer.send(controlTopic, 0, null, Buffer.from(JSON.stringify(record)));
  }

  /** In this order per partition. */
  async send(topic: string, records: readonly TestRecord[]): Promise<void> {
    const sent = records.map(({ topic: other, key, value, timestampMs }) => {
      const bytes = value === null ? null : Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
      return this.producer.send(other ?? topic, null, key === null ? null : Buffer.from(key), bytes, undefined, timestampMs);
    });
    await Promise.all(sent);
  }

  read(topic: string): Promise<ReadRecord[][]> {
    return readTopic(this.bootstrap, this.admin, topic);
  }
}

/** A deployment with what its workers need. */
export class Deployed {
  readonly spec: DeploymentSpec;
  readonly names: Names;
  readonly id: string;
  readonly input: string;
  readonly output: string;
  readonly stateFolder: string;
  readonly checkpointFolder: string;
  readonly #lab: Lab;

  constructor(lab: Lab, spec: DeploymentSpec, names: Names) {
    this.#lab = lab;
    this.spec = spec;
    this.names = names;
    this.id = spec.id;
    this.input = names.inputs[0] as string;
    this.output = names.output;
    this.stateFolder = join(lab.folder, spec.id, "state");
    this.checkpointFolder = join(lab.folder, spec.id, "checkpoints");
  }

  options(given: Partial<WorkerOptions> = {}): WorkerOptions {
    return {
      bootstrap: this.#lab.bootstrap,
      deployment: this.id,
      slot: 0,
      stateFolder: this.stateFolder,
      checkpointFolder: this.checkpointFolder,
      artifactFolder: join(this.#lab.folder, "artifacts"),
      ...given,
    };
  }

  /** In this process. */
  async startWorker(given: Partial<WorkerOptions> = {}): Promise<LocalWorker> {
    const log: LogLine[] = [];
    const logger = pino({ level: "info" }, { write: (line: string) => void log.push(JSON.parse(line) as LogLine) });
    const worker = await startWorker(this.options({ logger, ...given }));
    this.#lab.onClose(() => worker.stop());
    return { worker, log };
  }

  /** In a process of its own. */
  startChild(given: Partial<WorkerOptions> = {}): ChildWorker {
    const child = startChild("packages/worker/test/children/worker.ts", JSON.stringify(this.options(given)));
    const parsed = (line: string): LogLine => JSON.parse(line) as LogLine;
    this.#lab.onClose(() => child.kill());
    return {
      child,
      log: () => child.lines.map(parsed),
      url: async () => parsed(await child.until((line) => line.startsWith('{"url"')))["url"] as string,
      failure: async () => parsed(await child.until((line) => line.startsWith('{"failed"')))["failed"] as never,
    };
  }

  send(records: readonly TestRecord[]): Promise<void> {
    return this.#lab.send(this.input, records);
  }

  /** Next offsets per partition of the lead input, as the commit records say. */
  async committed(): Promise<number[]> {
    const partitions = this.spec.inputs[0]?.partitions ?? 0;
    const asked = Array.from({ length: partitions }, (_, partition) => ({ topic: this.input, partition }));
    const found = await this.#lab.groupOffsets.committed(groupOf(this.id), asked);
    return asked.map(({ partition }) => found.find((one) => one.partition === partition)?.offset ?? 0);
  }

  async committedTotal(): Promise<number> {
    return (await this.committed()).reduce((sum, offset) => sum + offset, 0);
  }

  /** The last commit record of a task. */
  async commitRecord(
    partition: number,
  ): Promise<{ readonly n: number; readonly digest: string; readonly position: { readonly [topic: string]: number } }> {
    const [found] = await this.#lab.groupOffsets.committed(groupOf(this.id), [{ topic: this.input, partition }]);
    return JSON.parse(found?.metadata ?? "{}") as { n: number; digest: string; position: { [topic: string]: number } };
  }

  /** Resolves when everything that is in the inputs now is committed. */
  async committedAll(timeoutMs = 60_000): Promise<void> {
    for (const topic of this.names.inputs) {
      const ends = await this.#lab.admin.endOffsets(topic);
      await until(
        `${this.id} to commit ${topic} up to ${ends.join(", ")}`,
        async () => {
          const records = await Promise.all(ends.map((_, partition) => this.commitRecord(partition)));
          return ends.every((end, partition) => (records[partition]?.position?.[topic] ?? 0) >= end);
        },
        timeoutMs,
      );
    }
  }

  outputs(): Promise<ReadRecord[][]> {
    return this.#lab.read(this.output);
  }
}

/** How the tasks of a worker were opened, one after the other. */
export const taskOpenings = (log: readonly LogLine[]): { readonly partition: number; readonly how: string }[] =>
  log.filter(({ msg }) => msg === "task opened").map(({ partition, how }) => ({ partition: partition as number, how: how as string }));

/** How the tasks of a worker were opened, by partition; of several times, the last. */
export function openings(log: readonly LogLine[]): Map<number, string> {
  return new Map(taskOpenings(log).map(({ partition, how }) => [partition, how]));
}

export const failureOf = (error: unknown): { code: string; message: string; details: RepriseError["details"] } => {
  if (!RepriseError.is(error)) throw error;
  return { code: error.code, message: error.message, details: error.details };
};
