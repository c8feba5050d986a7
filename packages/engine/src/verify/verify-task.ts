import { RepriseError } from "@reprise/schema";
import type { CommitRecord } from "../commit/commit-record.ts";
import type { DeploymentSpec } from "../control/control-event.ts";
import type { CompiledProcessor } from "../definition/compiled-processor.ts";
import { type Interrupted, Stopped } from "../internal/stopped.ts";
import type { CheckpointManifest, CheckpointStore } from "../ports/checkpoint-store.ts";
import type { LogReader } from "../ports/log-reader.ts";
import type { RowWrite, StateStore, StateStoreEngine } from "../ports/state-store.ts";
import { systemClock } from "../ports/clock.ts";
import type { TopicOffsets } from "../ports/topic-offsets.ts";
import { earliestPositions } from "../session/earliest-positions.ts";
import { restoreCheckpoint } from "../session/restore-checkpoint.ts";
import { decodeRows } from "../state/row-buffer.ts";
import { metaRowKey, parseRowKey } from "../state/row-key.ts";
import { Task } from "../task/task.ts";
import { silentHooks } from "../task/task-hooks.ts";
import { decodeMeta, encodeMeta, newTaskMeta, type TaskMeta } from "../task/task-meta.ts";
import { type DecidedCommit, decidedCommits, hasDelta } from "./decided-commits.ts";

/** How a replay works that is to come to the same result as any other. */
export interface ReplayVariant {
  readonly name: string;
  readonly batchRecords: number;
  readonly maxCachedKeys: number;
  /** Records from one commit to the next; it also commits where the deployment did. */
  readonly commitRecords: number;
}

/** As a worker works, and with next to nothing of everything. */
export const replayVariants: readonly ReplayVariant[] = [
  { name: "large", batchRecords: 2048, maxCachedKeys: 200_000, commitRecords: 100_000 },
  { name: "small", batchRecords: 17, maxCachedKeys: 24, commitRecords: 100 },
];

export interface VerifyOptions {
  readonly spec: DeploymentSpec;
  readonly processor: CompiledProcessor;
  readonly partition: number;
  /** The task's commit record: what is compared with ends there. */
  readonly record: CommitRecord;
  /** `checkpoint`: from the oldest one that is kept, where there is one. `start`: from where the deployment began. */
  readonly from: "checkpoint" | "start";
  readonly variant: ReplayVariant;
  /** Of the inputs; for this replay alone. */
  readonly reader: LogReader;
  /** Of the delta topic. */
  readonly systemReader: LogReader;
  readonly offsets: TopicOffsets;
  readonly checkpoints: CheckpointStore;
  readonly stateEngine: StateStoreEngine;
  /** For the replay's own state; removed at the end. */
  readonly folder: string;
  readonly interrupted: Interrupted;
  /** Records so far; often. */
  readonly onProgress?: (records: number) => void;
  readonly maxHeldRecords: number;
}

/** A row that differs. */
export interface RowDifference {
  /** Of the state, window or timer. */
  readonly slot: string;
  readonly key: Buffer;
  readonly subkey: Buffer;
  /** null: there is none. Undefined: it was not changed in this commit. */
  readonly decided: unknown;
  readonly replayed: unknown;
  /** The first record with this key among those in which it happened. */
  readonly record?: { readonly topic: string; readonly partition: number; readonly offset: number };
}

export interface Mismatch {
  /** The first commit that differs; the one before was the same. */
  readonly n: number;
  readonly what: "state" | "outputs" | "failure";
  /** The records in which it happened: at or beyond `after`, below `upTo`, by input. */
  readonly after: TaskMeta["position"];
  readonly upTo: TaskMeta["position"];
  /** At most `maxShown`; none when the commit's rows are not known. */
  readonly rows: readonly RowDifference[];
  readonly message?: string;
}

export interface TaskVerdict {
  readonly partition: number;
  readonly variant: string;
  readonly records: number;
  /** Positions at which state and outputs were compared. */
  readonly compared: number;
  /** What was decided is not repeated where records came after their turn among several inputs: commits that were taken as they are. */
  readonly flagged: number;
  readonly from: number;
  readonly upTo: number;
  readonly mismatch?: Mismatch;
}

const maxShown = 20;

interface Start {
  readonly store: StateStore;
  readonly meta: TaskMeta;
  readonly storeIsEmpty: boolean;
}

/**
 * Replays a task of a deployment on its own and compares, wherever the deployment has committed and it is still known, digests of state and outputs.
 * What differs is either not a function of the log (a clock, randomness, the world outside), or was damaged.
 * @throws RepriseError DELTAS_LOST · INPUT_TRUNCATED when it can't be compared
 */
export async function verifyTask(options: VerifyOptions): Promise<TaskVerdict> {
  const start = await startOf(options);
  const replay = new Replay(options, start);
  try {
    await replay.open(start.meta);
    for await (const commit of decidedAfter(options, start.meta)) {
      if (!(await replay.follow(commit))) break;
    }
    return replay.verdict;
  } finally {
    await replay.close();
    await options.stateEngine.destroy(options.folder);
  }
}

/** Where the replay begins: the oldest checkpoint, or nothing at all. */
async function startOf(options: VerifyOptions): Promise<Start> {
  const { spec, partition, stateEngine, folder, offsets } = options;
  if (options.from === "checkpoint") {
    for (const manifest of await manifestsOf(options)) {
      const restored = await restoreCheckpoint(
        { ...options, clock: systemClock, stateFolder: folder },
        partition,
        manifest,
        options.interrupted,
      );
      if (!("discarded" in restored)) return { ...restored, storeIsEmpty: false };
    }
  }
  if (spec.start !== "earliest") {
    throw new RepriseError(
      "INVALID_ARGUMENT",
      `${spec.id} began with a checkpoint of ${spec.start.checkpointOf} and can't be replayed from its start; replay it from a checkpoint`,
      { details: { deployment: spec.id } },
    );
  }
  const position = await earliestPositions(spec, offsets, partition);
  await stateEngine.destroy(`${folder}/${partition}`);
  const store = await stateEngine.open(`${folder}/${partition}`);
  return { store, meta: newTaskMeta(spec.id, partition, options.record.mode, position), storeIsEmpty: true };
}

/** Oldest first. */
async function manifestsOf({ checkpoints, spec, partition }: VerifyOptions): Promise<CheckpointManifest[]> {
  return (await checkpoints.list({ deployment: spec.id, partition })).toReversed();
}

/** What is known to be decided beyond `start`, in order. */
async function* decidedAfter(options: VerifyOptions, start: TaskMeta): AsyncGenerator<DecidedCommit> {
  const { record, spec, partition, systemReader, offsets, interrupted } = options;
  if (record.mode === "building") {
    yield { meta: { ...start, ...record, n: 0 }, rows: undefined };
    return;
  }
  const source = { deployment: spec.id, partition, systemReader, offsets, interrupted };
  let { n } = start;
  // From the start there may be no deltas any more up to the oldest checkpoint: it is the first that is known.
  if (options.from === "start" && !(await hasDelta(source, n + 1))) {
    const [oldest] = await manifestsOf(options);
    const meta = oldest === undefined ? undefined : decodeMeta(oldest.meta);
    if (meta !== undefined) {
      yield { meta, rows: undefined };
      ({ n } = meta);
    }
  }
  yield* decidedCommits(source, n, record.n);
}

class Replay {
  private readonly options: VerifyOptions;
  private readonly store: StateStore;
  private storeIsEmpty: boolean;
  private task!: Task;
  private sinceCommit = 0;
  private records = 0;
  private compared = 0;
  private flagged = 0;
  private readonly from: number;
  private upTo: number;
  private mismatch: Mismatch | undefined;
  /** What was changed since the last comparison, by key as hex. */
  private changed = new Map<string, Buffer | null>();

  constructor(options: VerifyOptions, start: Start) {
    this.options = options;
    this.store = start.store;
    this.storeIsEmpty = start.storeIsEmpty;
    this.from = start.meta.n;
    this.upTo = start.meta.n;
  }

  get verdict(): TaskVerdict {
    const { records, compared, flagged, from, upTo, mismatch } = this;
    return {
      partition: this.options.partition,
      variant: this.options.variant.name,
      ...{ records, compared, flagged, from, upTo },
      ...(mismatch === undefined ? {} : { mismatch }),
    };
  }

  /** On what the store holds. */
  async open(meta: TaskMeta): Promise<void> {
    const { spec, processor, partition, reader, variant, maxHeldRecords } = this.options;
    this.task = new Task({
      processor,
      deployment: spec.id,
      partition,
      store: this.store,
      reader,
      origins: new Map((spec.routes ?? []).map(({ topic, source }) => [topic, source.partitions])),
      broadcasts: new Map((spec.broadcasts ?? []).map(({ topic, partitions }) => [topic, partitions])),
      meta,
      storeIsEmpty: this.storeIsEmpty,
      // So late that no input holds another back: what was decided says how far each of them goes.
      hooks: { ...silentHooks, nowMs: () => Number.MAX_SAFE_INTEGER },
      batchRecords: variant.batchRecords,
      maxCachedKeys: variant.maxCachedKeys,
      maxHeldRecords,
    });
    await this.task.restoreQueue();
    for (const cursor of this.task.cursors) reader.assign(cursor.partition, cursor.position);
  }

  async close(): Promise<void> {
    for (const cursor of this.task?.cursors ?? []) this.options.reader.unassign(cursor.partition);
    await this.store.close();
  }

  /** Goes where `commit` was and compares. False: it differs, and there is nothing to compare with from here on. */
  async follow(commit: DecidedCommit): Promise<boolean> {
    const { meta } = commit;
    if ((meta.lateMerged ?? 0) > 0 && commit.rows !== undefined) {
      await this.take(commit);
      return true;
    }
    const before = this.task.position;
    const failure = await this.replayTo(meta);
    await this.commit();
    this.upTo = meta.n;
    const what =
      failure !== undefined
        ? "failure"
        : this.task.meta.digest !== meta.digest
          ? "state"
          : this.task.meta.outputs !== meta.outputs
            ? "outputs"
            : undefined;
    if (what === undefined) {
      this.compared++;
      this.changed.clear();
      return true;
    }
    this.mismatch = {
      n: meta.n,
      what,
      after: before,
      upTo: meta.position,
      rows: what === "state" ? await this.withRecords(this.differences(commit), before, meta.position) : [],
      ...(failure === undefined ? {} : { message: failure.message }),
    };
    return false;
  }

  private async replayTo({ position }: TaskMeta): Promise<RepriseError | undefined> {
    const { task, options } = this;
    for (const cursor of task.cursors) cursor.bound = position[cursor.name] ?? (cursor.broadcast ? Number.POSITIVE_INFINITY : 0);
    for (;;) {
      const records = await task.step();
      this.records += records;
      this.sinceCommit += records;
      if (this.sinceCommit >= options.variant.commitRecords) await this.commit();
      if (task.failure !== undefined) return task.failure;
      if (options.interrupted()) throw new Stopped();
      if (records > 0) {
        options.onProgress?.(this.records);
        continue;
      }
      if (task.cursors.every((cursor) => cursor.broadcast || cursor.position >= cursor.bound)) return undefined;
      await options.reader.wait(100);
    }
  }

  private async commit(): Promise<void> {
    const { task } = this;
    this.sinceCommit = 0;
    const { rows } = task.prepare(task.meta.mode, task.meta.n, 0);
    for (const { key, value } of decodeRows(rows)) this.changed.set(key.toString("hex"), value === null ? null : Buffer.from(value));
    task.decided();
    await task.flush();
  }

  /** What was decided, as it was. */
  private async take({ meta, rows }: DecidedCommit): Promise<void> {
    const writes: RowWrite[] = [...(rows ?? [])].map(([key, value]) => ({ key: Buffer.from(key, "hex"), value }));
    await this.store.write([...writes, { key: metaRowKey, value: encodeMeta(meta) }]);
    for (const cursor of this.task.cursors) this.options.reader.unassign(cursor.partition);
    this.storeIsEmpty = false;
    await this.open(meta);
    this.flagged++;
    this.upTo = meta.n;
  }

  /** Reads the range again and looks for the keys. */
  private async withRecords(rows: RowDifference[], from: TaskMeta["position"], upTo: TaskMeta["position"]): Promise<RowDifference[]> {
    const { spec, partition, reader, interrupted } = this.options;
    const wanted = new Map<string, NonNullable<RowDifference["record"]> | undefined>(
      rows.map(({ key }) => [key.toString("hex"), undefined]),
    );
    let open = wanted.size;
    for (const { topic } of spec.inputs) {
      const place = { topic, partition };
      const end = upTo[topic] ?? 0;
      let position = from[topic] ?? 0;
      reader.unassign(place);
      reader.assign(place, position);
      while (position < end && open > 0) {
        const columns = reader.take(place);
        if (columns === undefined) {
          if (interrupted()) throw new Stopped();
          await reader.wait(100);
          continue;
        }
        position = columns.nextOffset;
        for (let i = 0; i < columns.count && open > 0; i++) {
          const start = columns.keyStarts[i] as number;
          const offset = columns.offsets[i] as number;
          const key = columns.bytes.toString("hex", start, start + Math.max(0, columns.keyLengths[i] as number));
          if (offset >= end || !wanted.has(key) || wanted.get(key) !== undefined) continue;
          wanted.set(key, { ...place, offset });
          open--;
        }
      }
    }
    return rows.map((row) => {
      const record = wanted.get(row.key.toString("hex"));
      return record === undefined ? row : { ...row, record };
    });
  }

  private differences({ rows }: DecidedCommit): RowDifference[] {
    if (rows === undefined) return [];
    const { processor } = this.options;
    const found: RowDifference[] = [];
    for (const hex of new Set([...rows.keys(), ...this.changed.keys()])) {
      const decided = rows.get(hex);
      const replayed = this.changed.get(hex);
      if (decided === replayed || (decided && replayed && decided.equals(replayed))) continue;
      const { slot, key, subkey } = parseRowKey(Buffer.from(hex, "hex"));
      const codec = processor.slotCodecs[slot];
      const read = (bytes: Buffer | null | undefined): unknown => (bytes ? (codec?.decode(bytes) ?? bytes.toString("hex")) : bytes);
      found.push({
        slot: processor.slots[slot]?.name ?? `slot ${slot}`,
        key: Buffer.from(key),
        subkey: Buffer.from(subkey),
        decided: read(decided),
        replayed: read(replayed),
      });
      if (found.length === maxShown) break;
    }
    return found;
  }
}
