import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import {
  type CommitRecord,
  type CommittedOffset,
  type ControlRecord,
  type ControlState,
  controlTopic,
  decodeCommitRecord,
  type DeploymentSpec,
  emptyControlState,
  encodeCommitRecord,
  foldControl,
  groupOf,
  isParked,
  offsetIn,
  partitionForKey,
  publisherOf,
  statusTopic,
  transactionalIdOf,
  type TransactionalWriter,
  type WorkerAnnouncement,
  systemClock,
} from "@reprise/engine";
import {
  createAdmin,
  createColumnarReader,
  createGroupOffsets,
  createMembership,
  createRecordProducer,
  createTransactionalWriter,
} from "@reprise/kafka";
import { TopicTail } from "../../src/control/topic-tail.ts";

export interface FakeWorkerOptions {
  readonly bootstrap: string;
  readonly deployment: string;
  /** Records per commit and partition; small, so that there is a middle to be caught in. */
  readonly step?: number;
  readonly pauseMs?: number;
}

/**
 * A worker without an engine: it keeps the protocol of design section 8 (follow, park, publish from the cut) with the real writer and
 * membership, and emits one output per input offset, so that a seam that is not exact shows.
 */
export class FakeWorker {
  readonly #options: FakeWorkerOptions;
  readonly #admin;
  readonly #offsets;
  readonly #producer;
  #control: ControlState = emptyControlState;
  #records = new Map<number, CommitRecord>();
  #failures: WorkerAnnouncement["failures"] = [];
  #stopped = false;
  #server: Server | undefined;
  #url = "";
  #announcedAtMs = 0;
  /** Resolves when it has ended, by `stop` or because its deployment is retiring. */
  readonly done: Promise<void>;

  constructor(options: FakeWorkerOptions) {
    this.#options = options;
    const { bootstrap } = options;
    this.#admin = createAdmin({ bootstrap });
    this.#offsets = createGroupOffsets({ bootstrap });
    this.#producer = createRecordProducer({ bootstrap });
    this.done = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.done;
  }

  /** Announces that a task has stopped, or that all is well again. */
  fail(message: string | undefined): void {
    this.#failures = message === undefined ? [] : [{ partition: 0, code: "HANDLER_FAILED", message }];
    this.#announcedAtMs = 0;
  }

  async #run(): Promise<void> {
    const { bootstrap, deployment } = this.#options;
    const reader = await createColumnarReader({ bootstrap });
    const tail = new TopicTail({
      clock: systemClock,
      reader,
      partition: { topic: controlTopic, partition: 0 },
      from: 0,
      endOffset: async () => (await this.#admin.endOffsets(controlTopic))[0] ?? 0,
      onRecord: ({ offset, value }) => {
        this.#control = foldControl(this.#control, JSON.parse(value ?? "") as ControlRecord, offset);
      },
      onFailure: (error) => console.error(error),
    });
    tail.start();
    await tail.until(() => this.#control.deployments.has(deployment), 30_000);
    const spec = this.#control.deployments.get(deployment)?.spec as DeploymentSpec;
    const lead = spec.inputs[0] as { topic: string; partitions: number };
    await this.#serve(lead.partitions);
    const membership = createMembership({ bootstrap, groupId: groupOf(deployment), groupInstanceId: `${deployment}-0`, topic: lead.topic });
    let assigned = new Set<number>();
    await membership.join({
      onAssigned: async (partitions) => void (assigned = new Set([...assigned, ...partitions])),
      onRevoked: async (partitions) => void (assigned = new Set([...assigned].filter((p) => !partitions.includes(p)))),
      onError: (error) => console.error(error),
    });
    const writer = createTransactionalWriter({
      bootstrap,
      transactionalId: transactionalIdOf(deployment, 0),
      consumer: membership.consumer,
    });
    while (!this.#ended()) {
      if (assigned.size < lead.partitions) await sleep(20);
      else await this.#session(spec, writer, tail);
    }
    await writer.close();
    await membership.leave();
    await this.#producer.send(statusTopic, 0, Buffer.from(`worker/${deployment}/0`), null);
    await Promise.all([tail.stop(), this.#producer.close(), this.#admin.close(), this.#offsets.close()]);
    await reader.close();
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  /** From initTransactions until fenced or ended. */
  async #session(spec: DeploymentSpec, writer: TransactionalWriter, tail: TopicTail): Promise<void> {
    await writer.init();
    await tail.readToEnd();
    const parkedUnder = isParked(this.#control, spec.id) ? this.#control.processors.get(spec.processor)?.pending?.cutover : undefined;
    this.#records = await this.#committed(spec.id, spec);
    while (!this.#ended()) {
      await this.#announce(spec);
      const stillParked =
        parkedUnder !== undefined &&
        isParked(this.#control, spec.id) &&
        this.#control.processors.get(spec.processor)?.pending?.cutover === parkedUnder;
      if (!stillParked && !(await this.#step(spec, writer))) return;
      await sleep(this.#options.pauseMs ?? 10);
    }
  }

  /** One commit; false: the session is over. */
  async #step(spec: DeploymentSpec, writer: TransactionalWriter): Promise<boolean> {
    const lead = spec.inputs[0] as { topic: string; partitions: number };
    const open = publisherOf(this.#control, spec.processor);
    const publishes = open?.deployment === spec.id;
    const followed = publishes || open === undefined ? undefined : await this.#committed(open.deployment, spec);
    const ends = await this.#admin.endOffsets(lead.topic);
    const fromStart = this.#control.processors.get(spec.processor)?.intervals[0]?.deployment === spec.id;
    const next = new Map<number, CommitRecord>();
    await writer.begin();
    for (let partition = 0; partition < lead.partitions; partition++) {
      const before = this.#records.get(partition);
      const position = before?.position[lead.topic] ?? 0;
      const start = publishes ? offsetIn(open.from, lead.topic, partition) : 0;
      const bound = publishes
        ? position < start
          ? start
          : Number.POSITIVE_INFINITY
        : (followed?.get(partition)?.position[lead.topic] ?? 0);
      const to = Math.max(position, Math.min(position + (this.#options.step ?? 5), bound, ends[partition] ?? 0));
      if (to === position && before !== undefined && (before.mode === "live" || position < Math.min(bound, ends[partition] ?? 0))) continue;
      const publishing = publishes && position >= start;
      for (let offset = position; publishing && offset < to; offset++) {
        for (const { topic } of spec.manifest.outputs as { topic: string }[])
          writer.produce(topic, partition, null, Buffer.from(JSON.stringify({ deployment: spec.id, offset })), Date.now());
      }
      const live = before?.mode === "live" || fromStart || to >= Math.min(bound, ends[partition] ?? 0);
      next.set(partition, this.#record(spec, lead.topic, before, to, live, publishing));
    }
    if (next.size === 0) {
      await writer.abort();
      return true;
    }
    const outcome = await writer.commit(
      [...next].map(
        ([partition, record]): CommittedOffset => ({
          topic: lead.topic,
          partition,
          offset: record.position[lead.topic] as number,
          metadata: encodeCommitRecord(record),
        }),
      ),
    );
    if (outcome.kind !== "committed") return false;
    for (const [partition, record] of next) this.#records.set(partition, record);
    return true;
  }

  #record(
    spec: DeploymentSpec,
    topic: string,
    before: CommitRecord | undefined,
    position: number,
    live: boolean,
    publishing: boolean,
  ): CommitRecord {
    return {
      format: 1,
      n: live ? (before?.n ?? 0) + 1 : 0,
      mode: live ? "live" : "building",
      position: { [topic]: position },
      digest: "0".repeat(32),
      outputs: "0".repeat(32),
      streamTimeMs: null,
      publishing,
      topicIds: {},
      artifact: spec.artifact.slice(0, 16),
      control: this.#control.revision,
    };
  }

  async #committed(deployment: string, spec: DeploymentSpec): Promise<Map<number, CommitRecord>> {
    const lead = spec.inputs[0] as { topic: string; partitions: number };
    const partitions = Array.from({ length: lead.partitions }, (_, partition) => ({ topic: lead.topic, partition }));
    const found = await this.#offsets.committed(groupOf(deployment), partitions);
    return new Map(found.map(({ partition, metadata }) => [partition, decodeCommitRecord(metadata) as CommitRecord]));
  }

  async #announce(spec: DeploymentSpec): Promise<void> {
    if (Date.now() - this.#announcedAtMs < 300) return;
    this.#announcedAtMs = Date.now();
    const tasks = Array.from({ length: spec.inputs[0]?.partitions ?? 0 }, (_, partition) => partition);
    const said: WorkerAnnouncement = {
      format: 1,
      kind: "worker",
      deployment: spec.id,
      slot: 0,
      url: this.#url,
      pid: process.pid,
      tasks,
      atMs: Date.now(),
      failures: this.#failures,
    };
    await this.#producer.send(statusTopic, 0, Buffer.from(`worker/${spec.id}/0`), Buffer.from(JSON.stringify(said)));
  }

  /** `GET /views/totals/KEY`: which deployment answers, and where it is. */
  async #serve(partitions: number): Promise<void> {
    this.#server = createServer((request, response) => {
      const [, , view, key = ""] = (request.url ?? "").split("?")[0]?.split("/") ?? [];
      const task = partitionForKey(Buffer.from(decodeURIComponent(key)), partitions);
      const record = this.#records.get(task);
      const { deployment } = this.#options;
      response.setHeader("content-type", "application/json");
      if (key === "nobody") response.writeHead(404).end(JSON.stringify({ error: { code: "NOT_FOUND", message: "no row", details: {} } }));
      else
        response.end(
          JSON.stringify({
            value: { view, query: (request.url ?? "").split("?")[1] ?? null },
            deployment,
            version: Number(/\.v(\d+)\./.exec(deployment)?.[1]),
            task,
            n: record?.n ?? 0,
            position: record?.position ?? {},
          }),
        );
    });
    await new Promise<void>((resolve) => this.#server?.listen(0, "127.0.0.1", resolve));
    this.#url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  #ended(): boolean {
    const state = this.#control.deployments.get(this.#options.deployment)?.state;
    return this.#stopped || state === "Retiring" || state === "Retired";
  }
}
