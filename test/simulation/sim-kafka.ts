import type { CommittedOffset, RecordHeader, TopicPartition } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { Random } from "../support/random.ts";
import type { Scheduler } from "./scheduler.ts";
import { SimGroup } from "./sim-group.ts";

export interface Entry {
  readonly kind: "record" | "control";
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  readonly headers: readonly RecordHeader[];
  readonly transaction: Transaction | undefined;
}

export interface NewRecord {
  readonly at: TopicPartition;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly timestampMs: number;
  readonly headers: readonly RecordHeader[];
}

export const nameOf = ({ topic, partition }: TopicPartition): string => `${topic}-${partition}`;

/** A transaction as the coordinator and the logs have it. */
export class Transaction {
  readonly transactionalId: string;
  readonly partitions = new Set<SimPartition>();
  readonly records: NewRecord[] = [];
  readonly offsets = new Map<string, { readonly group: string; readonly offset: CommittedOffset }>();
  state: "open" | "committed" | "aborted" = "open";

  constructor(transactionalId: string) {
    this.transactionalId = transactionalId;
  }
}

const control: Entry = { kind: "control", key: null, value: null, timestampMs: 0, headers: [], transaction: undefined };

/** One partition's log: records of open transactions stand in it, and hold the last stable offset back. */
export class SimPartition {
  readonly name: string;
  readonly entries: Entry[] = [];
  logStart = 0;
  readonly watchers = new Set<() => void>();
  /** Open transactions, and where each begins. */
  private readonly open = new Map<Transaction, number>();
  stable = 0;

  constructor(name: string) {
    this.name = name;
  }

  append(entry: Entry): void {
    const { transaction } = entry;
    if (transaction !== undefined && !this.open.has(transaction)) this.open.set(transaction, this.entries.length);
    this.entries.push(entry);
  }

  /** A transaction's end reaches this partition. */
  end(transaction: Transaction): void {
    this.open.delete(transaction);
    this.entries.push(control);
  }

  changed(): void {
    let stable = this.entries.length;
    for (const first of this.open.values()) stable = Math.min(stable, first);
    this.stable = stable;
    for (const watcher of this.watchers) watcher();
  }

  /** What a reader at `offset` gets to see of it, read_committed. */
  visible(offset: number): Entry | undefined {
    const entry = this.entries[offset];
    return entry === undefined || entry.kind === "control" || entry.transaction?.state === "aborted" ? undefined : entry;
  }
}

interface Producer {
  epoch: number;
  transaction: Transaction | undefined;
  /** Its last transaction is decided, and its ends are still being written. */
  ending: boolean;
  readonly waiting: (() => void)[];
}

/** The producer has been replaced, or its transaction timed out. */
export class Fenced extends Error {}
/** The group does not take this member's offsets. */
export class OffsetsRefused extends Error {}

export interface KafkaOptions {
  readonly transactionTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  /** Whether a member's offsets are refused while it has not answered that a partition is taken from it. */
  readonly refusesInRebalance: boolean;
}

/** Kafka as clients see it: logs with transactions, a transaction coordinator with epochs and time-outs, committed offsets, groups. */
export class SimKafka {
  readonly options: KafkaOptions;
  readonly scheduler: Scheduler;
  readonly topics = new Map<string, { readonly id: string; readonly partitions: readonly SimPartition[] }>();
  readonly committed = new Map<string, { readonly offset: number; readonly metadata: string }>();
  /** Told when a transaction is decided, before anybody can see it. */
  onCommitted: (transaction: Transaction) => void = () => undefined;
  trace: (line: () => string) => void = () => undefined;
  private readonly random: Random;
  private readonly producers = new Map<string, Producer>();
  private readonly groups = new Map<string, SimGroup>();
  /** Decided or not, offsets of transactions whose end has not reached the offsets' partition; how many, by name. */
  private readonly unstable = new Map<string, number>();
  private topicsCreated = 0;

  constructor(scheduler: Scheduler, random: Random, options: KafkaOptions) {
    this.scheduler = scheduler;
    this.random = random;
    this.options = options;
  }

  createTopic(topic: string, partitions: number): void {
    if (this.topics.has(topic)) return;
    const all = Array.from({ length: partitions }, (_, partition) => new SimPartition(nameOf({ topic, partition })));
    this.topics.set(topic, { id: `id-${++this.topicsCreated}-of-${topic}`, partitions: all });
  }

  partition(at: TopicPartition): SimPartition {
    const found = this.topics.get(at.topic)?.partitions[at.partition];
    if (found === undefined) throw new RepriseError("TOPIC_MISSING", `${nameOf(at)} does not exist`);
    return found;
  }

  group(name: string, topic: string): SimGroup {
    const known = this.groups.get(name);
    if (known !== undefined) return known;
    const made = new SimGroup(this.scheduler, this.options, () => this.topics.get(topic)?.partitions.length ?? 0);
    this.groups.set(name, made);
    made.trace = (line) => this.trace(() => `${name}: ${line()}`);
    return made;
  }

  /** Records that are no part of a transaction. */
  append(records: readonly NewRecord[]): void {
    for (const { at, ...record } of records) {
      const partition = this.partition(at);
      partition.append({ kind: "record", ...record, transaction: undefined });
      partition.changed();
    }
  }

  private producer(id: string): Producer {
    const known = this.producers.get(id);
    if (known !== undefined) return known;
    const made: Producer = { epoch: -1, transaction: undefined, ending: false, waiting: [] };
    this.producers.set(id, made);
    return made;
  }

  /** InitProducerId: raises the epoch, ends what an older one left open, and answers when that is written. */
  async init(id: string): Promise<number> {
    const producer = this.producer(id);
    const epoch = ++producer.epoch;
    if (producer.transaction !== undefined) this.decide(id, producer, "aborted");
    await this.settled(producer);
    if (producer.epoch !== epoch) throw new Fenced();
    return epoch;
  }

  /** What the controller asks for: as `init`, and nobody uses the epoch. */
  async fence(id: string): Promise<void> {
    await this.init(id).catch((error: unknown) => {
      if (!(error instanceof Fenced)) throw error;
    });
  }

  async produce(id: string, epoch: number, records: readonly NewRecord[]): Promise<void> {
    const transaction = await this.transactionOf(id, epoch);
    for (const record of records) {
      const { at, ...fields } = record;
      const partition = this.partition(at);
      transaction.partitions.add(partition);
      transaction.records.push(record);
      partition.append({ kind: "record", ...fields, transaction });
    }
    for (const partition of transaction.partitions) partition.changed();
  }

  async addOffsets(id: string, epoch: number, group: string, member: unknown, offsets: readonly CommittedOffset[]): Promise<void> {
    const transaction = await this.transactionOf(id, epoch);
    if (!(this.groups.get(group)?.takesOffsetsOf(member) ?? true)) throw new OffsetsRefused();
    for (const offset of offsets) {
      const name = `${group} ${nameOf(offset)}`;
      if (!transaction.offsets.has(name)) this.unstable.set(name, (this.unstable.get(name) ?? 0) + 1);
      transaction.offsets.set(name, { group, offset });
    }
  }

  /** EndTxn. The one of another epoch is refused; one that comes twice finds nothing to end, or what came after. */
  async endTransaction(id: string, epoch: number, how: "committed" | "aborted"): Promise<void> {
    const producer = this.producer(id);
    if (producer.epoch !== epoch) throw new Fenced();
    if (producer.transaction !== undefined) this.decide(id, producer, how);
  }

  private async transactionOf(id: string, epoch: number): Promise<Transaction> {
    const producer = this.producer(id);
    await this.settled(producer);
    if (producer.epoch !== epoch) throw new Fenced();
    if (producer.transaction !== undefined) return producer.transaction;
    const transaction = new Transaction(id);
    producer.transaction = transaction;
    this.scheduler.after(this.options.transactionTimeoutMs, () => {
      if (producer.transaction !== transaction) return;
      producer.epoch++;
      this.decide(id, producer, "aborted");
    });
    return transaction;
  }

  /** From here on it is decided; that reaches each partition, and the offsets, at a time of its own. */
  private decide(id: string, producer: Producer, how: "committed" | "aborted"): void {
    const transaction = producer.transaction as Transaction;
    producer.transaction = undefined;
    producer.ending = true;
    transaction.state = how;
    if (how === "committed") this.onCommitted(transaction);
    let left = transaction.partitions.size + 1;
    const ended = (): void => {
      if (--left > 0) return;
      producer.ending = false;
      for (const go of producer.waiting.splice(0)) go();
    };
    for (const partition of transaction.partitions) {
      this.scheduler.after(this.markerMs(), () => {
        partition.end(transaction);
        partition.changed();
        ended();
      });
    }
    this.scheduler.after(this.markerMs(), () => {
      for (const [name, { offset }] of transaction.offsets) {
        if (how === "committed") this.committed.set(name, { offset: offset.offset, metadata: offset.metadata });
        const left = (this.unstable.get(name) as number) - 1;
        if (left === 0) this.unstable.delete(name);
        else this.unstable.set(name, left);
      }
      ended();
    });
  }

  private markerMs(): number {
    return this.random.next() * (this.random.chance(0.2) ? 25 : 1);
  }

  private async settled(producer: Producer): Promise<void> {
    while (producer.ending) await new Promise<void>((resolve) => producer.waiting.push(resolve));
  }

  /** Committed offsets, require-stable; undefined while a transaction is pending on one of them. */
  committedOffsets(group: string, partitions: readonly TopicPartition[]): CommittedOffset[] | undefined {
    if (partitions.some((at) => this.unstable.has(`${group} ${nameOf(at)}`))) return undefined;
    return partitions.flatMap(({ topic, partition }) => {
      const found = this.committed.get(`${group} ${nameOf({ topic, partition })}`);
      return found === undefined ? [] : [{ topic, partition, ...found }];
    });
  }
}
