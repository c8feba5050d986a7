import type {
  CheckpointManifest,
  CheckpointStore,
  CommittedOffset,
  ControlEvent,
  GroupOffsets,
  LogReader,
  Membership,
  PartitionEnd,
  RecordColumns,
  RecordHeader,
  RowWrite,
  StoredRow,
  TopicOffsets,
  TopicPartition,
  TransactionalWriter,
  TransactionOutcome,
} from "@reprise/engine";
import { controlTopic } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { Random } from "./random.ts";
import { columnsOf } from "./task-run.ts";

export interface SimEntry {
  readonly kind: "record" | "marker" | "aborted";
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  readonly headers: readonly RecordHeader[];
}

export interface SimPartition {
  readonly entries: SimEntry[];
  logStart: number;
  /** Last stable offset: how far read_committed readers see. */
  stable: number;
}

interface PendingTransaction {
  readonly offsets: readonly string[];
  settle(commit: boolean): void;
}

const marker: SimEntry = { kind: "marker", key: null, value: null, timestampMs: 0, headers: [] };
const soon = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** What the dead wait for. */
const never = (): Promise<never> => new Promise(() => undefined);

/** Kafka as the ports show it: logs with markers and aborted records, transactions, fencing, committed offsets, groups. */
export class SimCluster {
  readonly topics = new Map<string, { readonly id: string; readonly partitions: SimPartition[] }>();
  readonly committed = new Map<string, { readonly offset: number; readonly metadata: string }>();
  readonly epochs = new Map<string, number>();
  readonly pending = new Map<string, PendingTransaction>();
  readonly random: Random;
  /** Commits whose records become readable after their offsets do. */
  lateVisibility = 0;
  private readonly waiting = new Set<() => void>();

  constructor(seed: number) {
    this.random = new Random(seed);
  }

  createTopic(topic: string, partitions: number): void {
    this.topics.set(topic, {
      id: `id-of-${topic}`,
      partitions: Array.from({ length: partitions }, () => ({ entries: [], logStart: 0, stable: 0 })),
    });
  }

  partition({ topic, partition }: TopicPartition): SimPartition {
    const found = this.topics.get(topic)?.partitions[partition];
    if (found === undefined) throw new RepriseError("TOPIC_MISSING", `${topic}-${partition} does not exist`);
    return found;
  }

  append(at: TopicPartition, ...entries: SimEntry[]): void {
    const partition = this.partition(at);
    partition.entries.push(...entries);
    const end = partition.entries.length;
    if (this.random.chance(this.lateVisibility)) {
      setTimeout(() => {
        partition.stable = Math.max(partition.stable, end);
        this.changed();
      }, 4);
    } else partition.stable = Math.max(partition.stable, end);
    this.changed();
  }

  /** A transaction of its own, as the controller writes. */
  control(event: ControlEvent): void {
    const offset = this.partition({ topic: controlTopic, partition: 0 }).entries.length;
    const record = { format: 1, idempotencyKey: `event-${offset}`, atMs: offset, by: "test", event };
    this.append({ topic: controlTopic, partition: 0 }, { ...marker, kind: "record", value: Buffer.from(JSON.stringify(record)) }, marker);
  }

  changed(): void {
    for (const wake of this.waiting) wake();
    this.waiting.clear();
  }

  wait(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        setImmediate(resolve);
      };
      const timer = setTimeout(
        () => {
          this.waiting.delete(done);
          setImmediate(resolve);
        },
        Math.min(timeoutMs, 5),
      );
      this.waiting.add(done);
    });
  }

  /** A new producer of this id: older ones are fenced, what one of them left open is decided. */
  fence(transactionalId: string): number {
    const epoch = (this.epochs.get(transactionalId) ?? 0) + 1;
    this.epochs.set(transactionalId, epoch);
    this.pending.get(transactionalId)?.settle(this.random.chance(0.5));
    this.pending.delete(transactionalId);
    return epoch;
  }

  /** A transaction whose producer says nothing more of it; the coordinator gives it up in the end, and its producer with it. */
  leavePending(transactionalId: string, transaction: PendingTransaction): void {
    this.pending.set(transactionalId, transaction);
    setTimeout(() => {
      if (this.pending.get(transactionalId) !== transaction) return;
      this.pending.delete(transactionalId);
      this.epochs.set(transactionalId, (this.epochs.get(transactionalId) ?? 0) + 1);
      transaction.settle(false);
    }, 80);
  }

  async committedOf(group: string, partitions: readonly TopicPartition[]): Promise<CommittedOffset[]> {
    const names = new Set(partitions.map(({ topic, partition }) => `${group} ${topic} ${partition}`));
    // Require-stable: waits for the transactions that are not decided.
    while ([...this.pending.values()].some(({ offsets }) => offsets.some((name) => names.has(name)))) await this.wait(5);
    return partitions.flatMap(({ topic, partition }) => {
      const found = this.committed.get(`${group} ${topic} ${partition}`);
      return found === undefined ? [] : [{ topic, partition, ...found }];
    });
  }

  get offsets(): TopicOffsets {
    return {
      earliest: async (at) => this.partition(at).logStart,
      highWatermark: async (at) => this.partition(at).entries.length,
      highWatermarks: async (all) => all.map((at) => this.partition(at).entries.length),
      deleteRecords: async (at, beforeOffset) => {
        const log = this.partition(at);
        log.logStart = Math.max(log.logStart, beforeOffset);
      },
      describe: async (topic) => {
        const found = this.topics.get(topic);
        return found === undefined ? undefined : { topicId: found.id, partitions: found.partitions.length };
      },
    };
  }

  get groupOffsets(): GroupOffsets {
    return { committed: (group, partitions) => this.committedOf(group, partitions) };
  }
}

/** A process that may die: whatever it asks for after that is never answered. */
export class SimProcess {
  readonly cluster: SimCluster;
  alive = true;
  readonly random: Random;

  constructor(cluster: SimCluster) {
    this.cluster = cluster;
    this.random = new Random(cluster.random.below(2 ** 31));
  }

  /** One call over the network. */
  async call<T>(work: () => T | Promise<T>): Promise<T> {
    await soon();
    if (!this.alive) return await never();
    const answer = await work();
    if (!this.alive) return await never();
    return answer;
  }

  get offsets(): TopicOffsets {
    const { offsets } = this.cluster;
    return {
      earliest: (at) => this.call(() => offsets.earliest(at)),
      highWatermark: (at) => this.call(() => offsets.highWatermark(at)),
      highWatermarks: (all) => this.call(() => offsets.highWatermarks(all)),
      deleteRecords: (at, beforeOffset) => this.call(() => offsets.deleteRecords(at, beforeOffset)),
      describe: (topic) => this.call(() => offsets.describe(topic)),
    };
  }

  get groupOffsets(): GroupOffsets {
    return { committed: (group, partitions) => this.call(() => this.cluster.committedOf(group, partitions)) };
  }
}

export class SimReader implements LogReader {
  private readonly process: SimProcess;
  private readonly positions = new Map<string, number>();
  columnRecords = 20;

  constructor(process: SimProcess) {
    this.process = process;
  }

  assign({ topic, partition }: TopicPartition, offset: number): void {
    this.positions.set(`${topic} ${partition}`, offset);
  }

  unassign({ topic, partition }: TopicPartition): void {
    this.positions.delete(`${topic} ${partition}`);
  }

  take(at: TopicPartition): RecordColumns | undefined {
    const name = `${at.topic} ${at.partition}`;
    const from = this.positions.get(name);
    if (from === undefined || !this.process.alive) return undefined;
    const log = this.process.cluster.partition(at);
    if (from < log.logStart) throw new RepriseError("INPUT_TRUNCATED", `${name} begins at ${log.logStart}, ${from} was asked for`);
    const records: Parameters<typeof columnsOf>[2][number][] = [];
    let to = from;
    const most = 1 + this.process.random.below(this.columnRecords);
    for (; to < log.stable; to++) {
      const entry = log.entries[to] as SimEntry;
      if (entry.kind !== "record") continue;
      if (records.length === most) break;
      records.push({ ...entry, offset: to });
    }
    if (to === from) return undefined;
    this.positions.set(name, to);
    return columnsOf(at.topic, at.partition, records, to);
  }

  end(at: TopicPartition): PartitionEnd {
    const log = this.process.cluster.partition(at);
    return { lastStableOffset: log.stable, highWatermark: log.entries.length, logStartOffset: log.logStart };
  }

  wait(timeoutMs: number): Promise<void> {
    return this.process.alive ? this.process.cluster.wait(timeoutMs) : never();
  }

  async close(): Promise<void> {
    this.positions.clear();
  }
}

/** What happens to a commit. */
export type Fate = "committed" | "aborted" | "in-doubt";

interface Buffered {
  readonly at: TopicPartition;
  readonly entry: SimEntry;
}

export class SimWriter implements TransactionalWriter {
  readonly transactionalId: string;
  fate: () => Fate = () => "committed";
  commits = 0;
  private readonly process: SimProcess;
  private readonly group: string;
  private readonly owns: (partition: number) => boolean;
  private epoch = 0;
  private state: "new" | "ready" | "open" | "broken" = "new";
  private buffer: Buffered[] = [];

  constructor(process: SimProcess, transactionalId: string, group: string, owns: (partition: number) => boolean) {
    this.process = process;
    this.transactionalId = transactionalId;
    this.group = group;
    this.owns = owns;
  }

  async init(): Promise<void> {
    this.epoch = await this.process.call(() => this.process.cluster.fence(this.transactionalId));
    this.state = "ready";
  }

  async begin(): Promise<void> {
    if (this.state !== "ready") throw new RepriseError("KAFKA_FAILED", `the writer is ${this.state}`);
    this.state = "open";
    this.buffer = [];
  }

  produce(
    topic: string,
    partition: number,
    key: Uint8Array | null,
    value: Uint8Array | null,
    timestampMs: number,
    headers: readonly RecordHeader[] = [],
  ): void {
    if (this.state !== "open") throw new RepriseError("KAFKA_FAILED", `the writer is ${this.state}`);
    const copy = (b: Uint8Array | null): Buffer | null => (b === null ? null : Buffer.from(b));
    this.buffer.push({ at: { topic, partition }, entry: { kind: "record", key: copy(key), value: copy(value), timestampMs, headers } });
  }

  async drain(): Promise<void> {}

  commit(offsets: readonly CommittedOffset[]): Promise<TransactionOutcome> {
    if (this.state !== "open") throw new RepriseError("KAFKA_FAILED", `the writer is ${this.state}`);
    return this.process.call(async () => {
      const { cluster } = this.process;
      if (this.process.random.chance(0.3)) await cluster.wait(3);
      this.commits++;
      if (cluster.epochs.get(this.transactionalId) !== this.epoch) {
        this.state = "broken";
        return { kind: "fenced", cause: new Error("fenced") };
      }
      const fate = offsets.every(({ partition }) => this.owns(partition)) ? this.fate() : "aborted";
      const settle = this.settler(offsets);
      if (fate === "in-doubt") {
        this.state = "broken";
        cluster.leavePending(this.transactionalId, { offsets: offsets.map((o) => this.name(o)), settle });
        return { kind: "in-doubt", cause: new Error("a connection failed") };
      }
      settle(fate === "committed");
      this.state = "ready";
      return fate === "committed" ? { kind: "committed" } : { kind: "aborted", cause: new Error("aborted") };
    });
  }

  async abort(): Promise<TransactionOutcome> {
    this.state = "ready";
    return { kind: "aborted", cause: undefined };
  }

  async close(): Promise<void> {}

  private name({ topic, partition }: TopicPartition): string {
    return `${this.group} ${topic} ${partition}`;
  }

  private settler(offsets: readonly CommittedOffset[]): (commit: boolean) => void {
    const { cluster } = this.process;
    const buffer = this.buffer;
    return (commit) => {
      const touched = new Map<string, { at: TopicPartition; entries: SimEntry[] }>();
      for (const { at, entry } of buffer) {
        const name = `${at.topic} ${at.partition}`;
        const found = touched.get(name) ?? { at, entries: [] };
        touched.set(name, found);
        found.entries.push(commit ? entry : { ...entry, kind: "aborted" });
      }
      if (commit) for (const o of offsets) cluster.committed.set(this.name(o), { offset: o.offset, metadata: o.metadata });
      for (const { at, entries } of touched.values()) cluster.append(at, ...entries, marker);
    };
  }
}

type Handlers = Parameters<Membership["join"]>[0];

interface Member {
  readonly id: string;
  readonly process: SimProcess;
  readonly handlers: Handlers;
  readonly owned: Set<number>;
}

/** A group with the revoke barrier: a partition is given to the next only when the one before has answered, or is dead. */
export class SimGroup {
  private readonly partitions: number;
  private readonly members = new Map<string, Member>();
  private work: Promise<void> = Promise.resolve();
  /** What it waits for, for messages. */
  stage = "";

  constructor(partitions: number) {
    this.partitions = partitions;
  }

  owns(id: string, partition: number): boolean {
    return this.members.get(id)?.owned.has(partition) === true;
  }

  membership(id: string, process: SimProcess): Membership {
    return {
      join: async (handlers) => {
        await process.call(() => undefined);
        this.members.set(id, { id, process, handlers, owned: new Set() });
        this.rebalance();
      },
      leave: async () => {
        const member = this.members.get(id);
        if (member === undefined || member.process !== process) return;
        await (this.work = this.work.then(async () => {
          this.stage = `${member.id} leaves`;
          if (member.owned.size > 0) await member.handlers.onRevoked([...member.owned]);
          this.members.delete(id);
        }));
        this.rebalance();
      },
    };
  }

  dead(id: string): void {
    this.members.delete(id);
    this.rebalance();
  }

  private rebalance(): void {
    this.work = this.work.then(async () => {
      const alive = [...this.members.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
      const wanted = new Map<Member, number[]>(alive.map((m) => [m, []]));
      for (let p = 0; p < this.partitions; p++) if (alive.length > 0) wanted.get(alive[p % alive.length] as Member)?.push(p);
      for (const [member, list] of wanted) {
        const lost = [...member.owned].filter((p) => !list.includes(p));
        if (lost.length === 0) continue;
        this.stage = `${member.id} gives up ${lost.join()}`;
        await Promise.race([member.handlers.onRevoked(lost), died(member)]);
        for (const p of lost) member.owned.delete(p);
      }
      for (const [member, list] of wanted) {
        const news = list.filter((p) => !member.owned.has(p));
        if (news.length === 0 || !member.process.alive) continue;
        for (const p of news) member.owned.add(p);
        this.stage = `${member.id} gets ${news.join()}`;
        await Promise.race([member.handlers.onAssigned(news), died(member)]);
      }
      this.stage = `stable: ${alive.map((m) => `${m.id} ${[...m.owned].join()}`).join("; ")}`;
    });
  }
}

async function died(member: Member): Promise<void> {
  while (member.process.alive) await member.process.cluster.wait(5);
}

export interface SimCheckpoint {
  readonly manifest: CheckpointManifest;
  readonly rows: readonly StoredRow[];
}

/** Of one n there may be several: their content is in the name. */
const nameOf = ({ deployment, partition, n, meta }: CheckpointManifest): string => `${deployment} ${partition} ${n} ${meta}`;

/** Checkpoints that outlive every process. */
export class SimCheckpoints implements CheckpointStore {
  readonly all = new Map<string, SimCheckpoint>();
  process: SimProcess | undefined;

  constructor(process?: SimProcess, all?: Map<string, SimCheckpoint>) {
    this.process = process;
    if (all !== undefined) this.all = all;
  }

  async write(
    task: { deployment: string; partition: number },
    n: number,
    meta: string,
    rows: AsyncIterable<readonly StoredRow[]>,
  ): Promise<CheckpointManifest> {
    const copied: StoredRow[] = [];
    for await (const chunk of rows) {
      await soon();
      if (this.process?.alive === false) await never();
      copied.push(...chunk);
    }
    const manifest: CheckpointManifest = {
      format: 1,
      ...task,
      n,
      meta,
      rows: copied.length,
      bytes: 0,
      writtenBytes: 0,
      sha256: "",
      createdAtMs: 0,
    };
    this.all.set(nameOf(manifest), { manifest, rows: copied });
    return manifest;
  }

  async extend(
    onto: CheckpointManifest,
    n: number,
    meta: string,
    changes: AsyncIterable<readonly RowWrite[]>,
  ): Promise<CheckpointManifest> {
    const base = this.all.get(nameOf(onto));
    if (base === undefined) throw new RepriseError("CHECKPOINT_CORRUPT", "what it builds on is missing");
    const rows = new Map(base.rows.map((row) => [Buffer.from(row.key).toString("latin1"), row]));
    for await (const chunk of changes) {
      await soon();
      if (this.process?.alive === false) await never();
      for (const { key, value } of chunk) {
        const name = Buffer.from(key).toString("latin1");
        if (value === null) rows.delete(name);
        else rows.set(name, { key: Buffer.from(key), value: Buffer.from(value) });
      }
    }
    const sorted = [...rows.keys()].sort().map((name) => rows.get(name) as StoredRow);
    const whole = (async function* () {
      yield sorted;
    })();
    return await this.write({ deployment: onto.deployment, partition: onto.partition }, n, meta, whole);
  }

  async list({ deployment, partition }: { deployment: string; partition: number }): Promise<CheckpointManifest[]> {
    const found = [...this.all.values()].map(({ manifest }) => manifest);
    return found.filter((m) => m.deployment === deployment && m.partition === partition).sort((a, b) => b.n - a.n);
  }

  async *read(manifest: CheckpointManifest): AsyncGenerator<readonly StoredRow[]> {
    const found = this.all.get(nameOf(manifest));
    if (found === undefined) throw new RepriseError("CHECKPOINT_CORRUPT", "its rows are missing");
    for (let at = 0; at < found.rows.length; at += 5) yield found.rows.slice(at, at + 5);
  }

  async remove(manifest: CheckpointManifest): Promise<void> {
    this.all.delete(nameOf(manifest));
  }

  async removeDeployment(deployment: string): Promise<void> {
    for (const [name, { manifest }] of this.all) if (manifest.deployment === deployment) this.all.delete(name);
  }
}
