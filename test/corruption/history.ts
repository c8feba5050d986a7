import {
  type CheckpointManifest,
  type CheckpointStore,
  committedEntries,
  committedValue,
  type CompiledProcessor,
  compileProcessor,
  ControlLogTail,
  controlTopic,
  type DeploymentSpec,
  defaultLimits,
  deltaTopicOf,
  type DroppedStore,
  encodeCommitRecord,
  encodeDelta,
  keyBytesOf,
  metaRowKey,
  newTaskMeta,
  type OpenedStore,
  openTaskStore,
  type SessionOptions,
  type StateStore,
  type StateStoreEngine,
  type StoredRow,
  systemClock,
  Task,
  type TaskMeta,
  type TopicPartition,
} from "@reprise/engine";
import { definitionOf, key, processor, state, timer, topic, windows } from "@reprise/processor";
import { json, s } from "@reprise/schema";
import { MemoryLog, MemoryLogReader } from "@reprise/testing/engine-run";
import type { Random } from "../support/random.ts";

const deployment = "sums.v1.1";
const deltaTopic = deltaTopicOf(deployment);
const account = key("account", s.string);
const Payment = s.record("Payment", { seq: s.int, cents: s.int });

/** Rows of every kind: values, large values, map entries, windows and timers. */
const sums = processor({
  name: "sums",
  version: 1,
  key: account,
  inputs: { payments: topic("payments", { key: account, value: json(Payment), outOfOrder: "1m" }) },
  outputs: {},
  state: { sum: state.value(s.long, { initial: 0 }), note: state.value(s.string), bySize: state.map(s.string, s.int) },
  windows: { perHour: windows.tumbling({ size: "1h", aggregate: { cents: "sum" }, view: true }) },
  timers: { quiet: timer() },
}).handle({
  on: {
    payments({ seq, cents }, ctx) {
      ctx.state.sum.set(ctx.state.sum.get() + cents);
      ctx.state.note.set(`payment ${seq} `.repeat(30));
      const size = `size ${cents % 5}`;
      ctx.state.bySize.set(size, (ctx.state.bySize.get(size) ?? 0) + 1);
      ctx.windows.perHour.add({ cents });
      ctx.timers.quiet.after("5h");
    },
  },
  onWindow: { perHour: () => undefined },
  onTimer: {
    quiet(_timer, ctx) {
      ctx.state.note.delete();
    },
  },
});

interface Payment {
  readonly account: string;
  readonly seq: number;
  readonly cents: number;
}

export interface HistoryShape {
  readonly commits: number;
  readonly recordsPerCommit: number;
  readonly accounts: number;
  /** The commit of the newest checkpoint, and how many commits before the end the store was last written. */
  readonly checkpointAt: number;
  readonly unsavedCommits: number;
}

/** What a live task did on a store: the decided commits, their deltas, a checkpoint on the way, and the input, from which a model is computed. */
export class History {
  readonly processor: CompiledProcessor = compileProcessor(definitionOf(sums), {});
  readonly payments: Payment[] = [];
  readonly log = new MemoryLog();
  readonly deltas = new MemoryLog();
  readonly checkpoints: { readonly manifest: CheckpointManifest; readonly rows: readonly StoredRow[] }[] = [];
  last: TaskMeta = newTaskMeta(deployment, 0, "live", { payments: 0 });

  /** Leaves the store as a task that was killed leaves it: some commits behind, and open. */
  async run(store: StateStore, random: Random, shape: HistoryShape): Promise<void> {
    const reader = new MemoryLogReader(this.log);
    const task = new Task({
      processor: this.processor,
      deployment,
      partition: 0,
      store,
      reader,
      meta: this.last,
      storeIsEmpty: true,
      // Small: rows are read back from the store, not only written.
      maxCachedKeys: 50,
      hooks: { nowMs: () => Number.MAX_SAFE_INTEGER, log() {}, count() {} },
    });
    reader.assign({ topic: "payments", partition: 0 }, 0);
    for (let n = 1; n <= shape.commits; n++) {
      this.append(random, shape);
      while ((await task.step()) > 0);
      const { meta, before, rows } = task.prepare("live", n, 0);
      for (const value of encodeDelta(before, meta, Buffer.from(rows)))
        this.deltas.append(deltaTopic, { key: null, value, timestampMs: 0 });
      task.decided();
      this.last = meta;
      if (n <= shape.commits - shape.unsavedCommits && (n % 3 === 0 || n === shape.checkpointAt)) await task.flush();
      if (n === shape.checkpointAt) await this.checkpoint(store, meta);
    }
  }

  private append(random: Random, { recordsPerCommit, accounts }: HistoryShape): void {
    for (let i = 0; i < recordsPerCommit; i++) {
      const seq = this.payments.length;
      const payment = { account: `account-${random.below(accounts)}`, seq, cents: random.below(1000) };
      this.payments.push(payment);
      const value = Buffer.from(JSON.stringify({ seq, cents: payment.cents }));
      this.log.append("payments", { key: Buffer.from(payment.account), value, timestampMs: seq * 20_000 });
    }
  }

  private async checkpoint(store: StateStore, meta: TaskMeta): Promise<void> {
    const rows = (await all(store)).filter(({ key: name }) => !metaRowKey.equals(name));
    const about = { rows: rows.length, bytes: 0, writtenBytes: 0, sha256: "", createdAtMs: 0 };
    this.checkpoints.push({ manifest: { format: 1, deployment, partition: 0, n: meta.n, meta: JSON.stringify(meta), ...about }, rows });
  }

  /** As a session opens the task's store: commit record, local store, checkpoint, deltas. */
  async open(engine: StateStoreEngine, stateFolder: string): Promise<{ readonly opened: OpenedStore; readonly dropped: DroppedStore[] }> {
    const dropped: DroppedStore[] = [];
    const control = await controlTail(this.controlLog());
    const { last } = this;
    const metadata = encodeCommitRecord({
      ...{ format: 1, n: last.n, mode: "live", position: last.position, digest: last.digest, outputs: last.outputs },
      ...{ streamTimeMs: last.streamTimeMs, publishing: true, topicIds: {}, artifact: "a", control: 0 },
    });
    const end = this.deltas.topics.get(deltaTopic)?.length ?? 0;
    const options = {
      spec: { id: deployment, processor: "sums", inputs: [{ topic: "payments", topicId: "", partitions: 1 }], start: "earliest" },
      groupOffsets: {
        committed: async () => [{ topic: "payments", partition: 0, offset: last.position["payments"] as number, metadata }],
      },
      offsets: {
        earliest: async () => 0,
        highWatermark: async ({ topic }: TopicPartition) => (topic === deltaTopic ? end : this.payments.length),
        describe: async () => ({ topicId: "", partitions: 1 }),
      },
      systemReader: new MemoryLogReader(this.deltas, 3),
      clock: systemClock,
      control,
      stateEngine: engine,
      stateFolder,
      checkpoints: this.checkpointStore(),
      limits: defaultLimits,
      observer: { storeDropped: (_partition: number, what: DroppedStore) => void dropped.push(what) },
    } as unknown as SessionOptions;
    return { opened: await openTaskStore(options, 0), dropped };
  }

  private controlLog(): MemoryLog {
    const log = new MemoryLog();
    const spec = { id: "sums.v0.1", processor: "sums", version: 0 } as DeploymentSpec;
    const event = { type: "DeploymentCreated", deployment: spec, publishes: true };
    const record = { format: 1, idempotencyKey: "1", atMs: 0, by: "test", event };
    log.append(controlTopic, { key: null, value: Buffer.from(JSON.stringify(record)), timestampMs: 0 });
    return log;
  }

  private checkpointStore(): Pick<CheckpointStore, "list" | "read"> {
    const { checkpoints } = this;
    return {
      list: async () => checkpoints.map(({ manifest }) => manifest),
      read: async function* (manifest) {
        yield checkpoints.find((one) => one.manifest === manifest)?.rows ?? [];
      },
    };
  }

  /** What is wrong with an opened store, as a new task reads it: against sums over the input, which know nothing of the engine. Empty: nothing. */
  faults(opened: OpenedStore): string[] {
    const task = new Task({
      processor: this.processor,
      deployment,
      partition: 0,
      store: opened.store,
      reader: new MemoryLogReader(this.log),
      meta: opened.meta,
      storeIsEmpty: false,
    });
    const sum = new Map<string, number>();
    const bySize = new Map<string, Map<string, number>>();
    for (const { account: name, cents } of this.payments) {
      sum.set(name, (sum.get(name) ?? 0) + cents);
      const sizes = bySize.get(name) ?? new Map<string, number>();
      bySize.set(name, sizes.set(`size ${cents % 5}`, (sizes.get(`size ${cents % 5}`) ?? 0) + 1));
    }
    const slot = (name: string): never => this.processor.slots.find((one) => one.name === name) as never;
    const faults: string[] = [];
    for (const [name, cents] of sum) {
      const at = keyBytesOf(this.processor, name);
      const found = committedValue(task, slot("sum"), at);
      if (found !== cents) faults.push(`the sum of ${name} is ${String(found)}, not ${cents}`);
      const sizes = JSON.stringify([...committedEntries(task, slot("bySize"), at, {})]);
      const expected = JSON.stringify([...(bySize.get(name) ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)));
      if (sizes !== expected) faults.push(`the sizes of ${name} are ${sizes}, not ${expected}`);
    }
    return faults;
  }
}

async function controlTail(log: MemoryLog): Promise<ControlLogTail> {
  const offsets = { earliest: async () => 0, highWatermark: async () => log.topics.get(controlTopic)?.length ?? 0 };
  const control = new ControlLogTail(new MemoryLogReader(log), offsets as never);
  await control.readToEnd();
  return control;
}

export async function all(store: StateStore): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  for await (const chunk of store.scan({})) rows.push(...chunk);
  return rows;
}

/** Key and value of each row as hex, the meta row by what it says. */
export const rowTexts = (rows: readonly StoredRow[]): string[] =>
  rows.map(({ key: name, value }) => `${Buffer.from(name).toString("hex")} ${Buffer.from(value).toString("hex")}`);
