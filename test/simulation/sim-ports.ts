import type {
  CheckpointManifest,
  CheckpointStore,
  CommittedOffset,
  GroupOffsets,
  LogReader,
  PartitionEnd,
  RecordColumns,
  RecordHeader,
  StateStore,
  StateStoreEngine,
  StoredRow,
  TopicOffsets,
  TopicPartition,
  TransactionalWriter,
  TransactionOutcome,
} from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { MemoryEngine, type Rows } from "../../packages/engine/test/support/memory-store.ts";
import { columnsOf } from "../../packages/engine/test/support/task-run.ts";
import { Fenced, nameOf, type NewRecord, OffsetsRefused, type SimKafka } from "./sim-kafka.ts";
import { mayFail, type SimProcess } from "./sim-process.ts";

export function simOffsets(process: SimProcess, kafka: SimKafka): TopicOffsets {
  return {
    earliest: (at) => process.call("earliest", () => kafka.partition(at).logStart, mayFail),
    highWatermark: (at) => process.call("high watermark", () => kafka.partition(at).entries.length, mayFail),
    highWatermarks: (all) => process.call("high watermarks", () => all.map((at) => kafka.partition(at).entries.length), mayFail),
    deleteRecords: (at, beforeOffset) =>
      process.call(
        "delete records",
        () => {
          const partition = kafka.partition(at);
          partition.logStart = Math.max(partition.logStart, beforeOffset);
        },
        mayFail,
      ),
    describe: (topic) =>
      process.call(
        "describe",
        () => {
          const found = kafka.topics.get(topic);
          return found === undefined ? undefined : { topicId: found.id, partitions: found.partitions.length };
        },
        mayFail,
      ),
  };
}

export function simGroupOffsets(process: SimProcess, kafka: SimKafka): GroupOffsets {
  return {
    committed: async (group, partitions) => {
      for (;;) {
        const found = await process.call("committed", () => kafka.committedOffsets(group, partitions), mayFail);
        if (found !== undefined) return found;
        await process.clock.sleep(4);
      }
    },
  };
}

interface Reading {
  position: number;
  /** The last fetch's answer; undefined before the first. */
  end: PartitionEnd | undefined;
  fetching: boolean;
  unwatch: () => void;
}

/** A reader that fetches in the background: what it knows of a log is what its last fetch said. */
export class SimReader implements LogReader {
  private readonly process: SimProcess;
  private readonly kafka: SimKafka;
  private readonly readings = new Map<string, Reading>();
  private readonly mostRecords: number;
  private news = false;
  private wake: (() => void) | undefined;

  constructor(process: SimProcess, kafka: SimKafka, mostRecords = 1000) {
    this.process = process;
    this.kafka = kafka;
    this.mostRecords = mostRecords;
  }

  assign(at: TopicPartition, offset: number): void {
    this.unassign(at);
    const partition = this.kafka.partition(at);
    const reading: Reading = { position: offset, end: undefined, fetching: false, unwatch: () => partition.watchers.delete(fetch) };
    const fetch = (): void => {
      if (reading.fetching) return;
      reading.fetching = true;
      this.process.scheduler.after(this.process.latencyMs() + this.process.lateMs(`fetch ${partition.name}`), () =>
        this.process.deliver(() => {
          reading.fetching = false;
          reading.end = {
            lastStableOffset: partition.stable,
            highWatermark: partition.entries.length,
            logStartOffset: partition.logStart,
          };
          this.news = true;
          this.wake?.();
        }),
      );
    };
    partition.watchers.add(fetch);
    this.readings.set(nameOf(at), reading);
    fetch();
  }

  unassign(at: TopicPartition): void {
    this.readings.get(nameOf(at))?.unwatch();
    this.readings.delete(nameOf(at));
  }

  take(at: TopicPartition): RecordColumns | undefined {
    const reading = this.readings.get(nameOf(at));
    if (reading?.end === undefined || !this.process.alive) return undefined;
    const log = this.kafka.partition(at);
    const from = reading.position;
    if (from < log.logStart) throw new RepriseError("INPUT_TRUNCATED", `${nameOf(at)} begins at ${log.logStart}, ${from} was asked for`);
    const records: Parameters<typeof columnsOf>[2][number][] = [];
    let to = from;
    for (; to < reading.end.lastStableOffset; to++) {
      const entry = log.visible(to);
      if (entry === undefined) continue;
      if (records.length === this.mostRecords) break;
      records.push({ ...entry, offset: to });
    }
    if (to === from) return undefined;
    if (to < reading.end.lastStableOffset) this.news = true;
    reading.position = to;
    return columnsOf(at.topic, at.partition, records, to);
  }

  end(at: TopicPartition): PartitionEnd | undefined {
    return this.readings.get(nameOf(at))?.end;
  }

  async wait(timeoutMs: number): Promise<void> {
    if (!this.news) {
      await new Promise<void>((resolve) => {
        const cancel = this.process.scheduler.after(timeoutMs, () => this.process.deliver(resolve));
        this.wake = () => {
          cancel();
          resolve();
        };
      });
      this.wake = undefined;
    }
    this.news = false;
  }

  async close(): Promise<void> {
    for (const { unwatch } of this.readings.values()) unwatch();
    this.readings.clear();
  }
}

const commitFaults = { abort: 15, lost: 8, unanswered: 8, late: 8, twice: 8, fatal: 2 };

/** A transactional producer. It does not keep its user from going on after a doubt: that is what the session has to do. */
export class SimWriter implements TransactionalWriter {
  readonly transactionalId: string;
  private readonly process: SimProcess;
  private readonly kafka: SimKafka;
  private readonly group: string;
  private readonly member: unknown;
  private readonly fault: (place: string) => string | undefined;
  private epoch = -1;
  private state: "new" | "ready" | "open" | "broken" = "new";
  private buffer: NewRecord[] = [];

  /** @param member whose offsets it writes; undefined: it writes none */
  constructor(
    process: SimProcess,
    kafka: SimKafka,
    transactionalId: string,
    group: string,
    member: unknown,
    fault: (place: string, kinds: { readonly [kind: string]: number }) => string | undefined,
  ) {
    this.process = process;
    this.kafka = kafka;
    this.transactionalId = transactionalId;
    this.group = group;
    this.member = member;
    this.fault = (place) => fault(place, commitFaults);
  }

  async init(): Promise<void> {
    this.state = "broken";
    try {
      this.epoch = await this.process.call("init", () => this.kafka.init(this.transactionalId), mayFail);
    } catch (cause) {
      if (cause instanceof Fenced) throw new RepriseError("PRODUCER_FENCED", "another producer took the id at the same moment", { cause });
      throw cause;
    }
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
    const copy = (bytes: Uint8Array | null): Buffer | null => (bytes === null ? null : Buffer.from(bytes));
    this.buffer.push({ at: { topic, partition }, key: copy(key), value: copy(value), timestampMs, headers: [...headers] });
  }

  async drain(): Promise<void> {}

  async commit(offsets: readonly CommittedOffset[]): Promise<TransactionOutcome> {
    if (this.state !== "open") throw new RepriseError("KAFKA_FAILED", `the writer is ${this.state}`);
    const { process, kafka, transactionalId: id, epoch } = this;
    const fault = this.fault(`${process.name}#${++process.calls} end ${id}`);
    try {
      if (this.buffer.length > 0) await process.call("produce", () => kafka.produce(id, epoch, this.buffer));
      if (offsets.length > 0) await process.call("offsets", () => kafka.addOffsets(id, epoch, this.group, this.member, offsets));
      if (fault === "abort") return await this.abort();
      return await this.end(fault);
    } catch (error) {
      if (error instanceof OffsetsRefused) return await this.abort();
      if (!(error instanceof Fenced)) throw error;
      this.state = "broken";
      return { kind: "fenced", cause: error };
    }
  }

  private async end(fault: string | undefined): Promise<TransactionOutcome> {
    const { process, kafka, transactionalId: id, epoch } = this;
    const request = (): Promise<void> => kafka.endTransaction(id, epoch, "committed");
    const later = (): void => {
      const { scheduler } = process;
      scheduler.after(2 + process.latencyMs() * 20, () => void request().catch(() => undefined));
    };
    switch (fault) {
      case "fatal":
        this.state = "broken";
        return { kind: "fenced", cause: new Error("a time-out or a twin (simulated)") };
      case "lost":
        await process.clock.sleep(3);
        break;
      case "late":
        later();
        await process.clock.sleep(3);
        break;
      case "twice":
        later();
        await process.call("commit", request);
        break;
      case "unanswered":
        await process.call("commit", request);
        break;
      default:
        await process.call("commit", request);
        this.state = "ready";
        return { kind: "committed" };
    }
    this.state = "ready";
    return { kind: "in-doubt", cause: new Error(`a connection failed (simulated: ${fault})`) };
  }

  async abort(): Promise<TransactionOutcome> {
    try {
      await this.process.call("abort", () => this.kafka.endTransaction(this.transactionalId, this.epoch, "aborted"));
    } catch (cause) {
      this.state = "broken";
      return { kind: "fenced", cause };
    }
    this.state = "ready";
    return { kind: "aborted", cause: new Error("aborted (simulated)") };
  }

  async close(): Promise<void> {
    if (this.state === "open") await this.abort();
    this.state = "broken";
  }
}

export interface SimCheckpoint {
  readonly manifest: CheckpointManifest;
  readonly rows: readonly StoredRow[];
}

/** Of one n there may be several: their content is in the name. */
export const checkpointName = ({ deployment, partition, n, meta }: CheckpointManifest): string => `${deployment} ${partition} ${n} ${meta}`;

const checkpointFailed = { mayFail: (): Error => new RepriseError("CHECKPOINT_FAILED", "the checkpoint store did not answer (simulated)") };

/** Checkpoints outlive every process. */
export function simCheckpoints(process: SimProcess, all: Map<string, SimCheckpoint>): CheckpointStore {
  const store: CheckpointStore = {
    async write(task, n, meta, rows) {
      const copied: StoredRow[] = [];
      for await (const chunk of rows) {
        await process.call("checkpoint rows", () => undefined, checkpointFailed);
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
      await process.call("checkpoint manifest", () => all.set(checkpointName(manifest), { manifest, rows: copied }), checkpointFailed);
      return manifest;
    },
    async extend(onto, n, meta, changes) {
      const base = all.get(checkpointName(onto));
      if (base === undefined) throw new RepriseError("CHECKPOINT_CORRUPT", "what it builds on is missing");
      const rows = new Map(base.rows.map((row) => [Buffer.from(row.key).toString("latin1"), row]));
      for await (const chunk of changes) {
        await process.call("checkpoint changes", () => undefined, checkpointFailed);
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
      return await store.write({ deployment: onto.deployment, partition: onto.partition }, n, meta, whole);
    },
    list: ({ deployment, partition }) =>
      process.call(
        "list checkpoints",
        () =>
          [...all.values()]
            .map(({ manifest }) => manifest)
            .filter((m) => m.deployment === deployment && m.partition === partition)
            .sort((a, b) => b.n - a.n),
        checkpointFailed,
      ),
    async *read(manifest) {
      const found = all.get(checkpointName(manifest));
      if (found === undefined) throw new RepriseError("CHECKPOINT_CORRUPT", "its rows are missing");
      for (let at = 0; at < found.rows.length; at += 50) {
        yield await process.call("read checkpoint", () => found.rows.slice(at, at + 50), checkpointFailed);
      }
    },
    remove: async (manifest) => {
      await process.call("remove checkpoint", () => all.delete(checkpointName(manifest)), checkpointFailed);
    },
    removeDeployment: async (deployment) => {
      for (const [name, { manifest }] of all) if (manifest.deployment === deployment) all.delete(name);
    },
  };
  return store;
}

/** Local disk of a worker: what was written before it died is there after. */
export type Disk = Map<string, Rows>;

const stateFailed = {
  mayFail: (): Error => new RepriseError("STATE_FAILED", "the disk did not answer (simulated)"),
  faults: { fail: 2, "fail-after": 2 },
};

export function simStateEngine(process: SimProcess, disk: Disk): StateStoreEngine {
  const engine = new MemoryEngine(disk);
  return {
    name: "memory",
    provenByScan: false,
    open: async (folder) => {
      const store = (await engine.open(folder)) as StateStore & { write: StateStore["write"] };
      const write = store.write.bind(store);
      // A process that is dead writes nothing to its own disk any more, however late a write was.
      store.write = (rows) => process.call("write rows", () => (process.alive ? write(rows) : undefined), stateFailed);
      return store;
    },
    destroy: (folder) => engine.destroy(folder),
  };
}
