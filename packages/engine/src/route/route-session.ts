import { RepriseError } from "@reprise/schema";
import type { DeployedRoute, DeploymentSpec } from "../control/control-event.ts";
import type { ControlLogTail } from "../control/control-log-tail.ts";
import type { CompiledRoute } from "../definition/compiled-processor.ts";
import { Stopped } from "../internal/stopped.ts";
import type { Clock } from "../ports/clock.ts";
import type { LogReader, PartitionEnd } from "../ports/log-reader.ts";
import type { TopicOffsets } from "../ports/topic-offsets.ts";
import type { GroupOffsets, Membership, RecordHeader, TransactionalWriter, TransactionOutcome } from "../ports/transactional-writer.ts";
import type { SessionEnd } from "../session/session.ts";
import { finiteOrNull, orMinusInfinity } from "../task/task-meta.ts";
import { endsOf } from "./origin-stamp.ts";
import { RouteTask } from "./route-task.ts";

export interface RouteSessionOptions {
  readonly clock: Clock;
  readonly spec: DeploymentSpec;
  readonly deployed: DeployedRoute;
  readonly route: CompiledRoute;
  readonly writer: TransactionalWriter;
  /** In the route's own group, on its source. */
  readonly membership: Membership;
  readonly groupOffsets: GroupOffsets;
  /** Of the source. */
  readonly reader: LogReader;
  readonly control: ControlLogTail;
  readonly offsets: TopicOffsets;
  readonly limits?: Partial<RouteLimits>;
  readonly observer: RouteObserver;
}

export interface RouteLimits {
  /** How long a source's partition has nothing more before others go on without it. */
  readonly idleAfterMs: number;
  /** A commit comes early beyond this much. */
  readonly maxRecords: number;
  readonly maxBytes: number;
  readonly stepRecords: number;
}

const defaultRouteLimits: RouteLimits = { idleAfterMs: 200, maxRecords: 50_000, maxBytes: 8 * 1024 * 1024, stepRecords: 500 };

/** All calls are synchronous and cheap. */
export interface RouteObserver {
  opened(partition: number, position: number): void;
  /** Records written to the internal topic in a commit that is decided. */
  routed(topic: string, records: number): void;
}

type Demand =
  | { readonly kind: "open"; readonly partitions: readonly number[] }
  | { readonly kind: "close"; readonly partitions: readonly number[]; readonly done: () => void };

/** What goes with a committed offset of a source. */
interface RouteMetadata {
  readonly format: 1;
  /** Largest event time below the offset; null: there was none. */
  readonly streamTimeMs: number | null;
}

const idleMs = 50;
/** Records of partitions that are further are not routed before those of one that is behind; unless that one gives nothing for so long. */
const patienceMs = 1000;
const maxAbortsInRow = 5;

/**
 * The stage before a rekeyed input, for the life of a worker between joining the route's group and leaving it: partitions of the source to partitions
 * of the internal topic. What is written and how far the source was read are one transaction, building or live, publishing or not; so the committed
 * offset is all there is to go on from, and nothing is ever written twice.
 */
export class RouteSession {
  readonly tasks = new Map<number, RouteTask>();
  private readonly options: RouteSessionOptions;
  private readonly clock: Clock;
  private readonly limits: RouteLimits;
  private demands: Demand[] = [];
  private stopping = false;
  private ended = false;
  private failed: unknown;
  private initialised = false;
  private abortsInRow = 0;
  private lastCommitMs: number;
  /** Since when a partition has had nothing more. */
  private readonly drainedSinceMs = new Map<number, number>();
  private blockedSinceMs: number | undefined;
  private wake: (() => void) | undefined;

  constructor(options: RouteSessionOptions) {
    this.options = options;
    this.clock = options.clock;
    this.lastCommitMs = this.clock.elapsedMs();
    this.limits = { ...defaultRouteLimits, ...options.limits };
  }

  /** The newest known end of a partition of the source. */
  endOf(partition: number): PartitionEnd | undefined {
    return this.options.reader.end({ topic: this.options.deployed.source.topic, partition });
  }

  /** Commits what is under way, and ends the session. */
  stop(): void {
    this.stopping = true;
    this.wake?.();
  }

  /**
   * Runs until `stop`, until it is fenced, or until something fails that a new session may cure.
   * @throws RepriseError PARTITIONS_CHANGED, and of the group, of reading and writing
   */
  async run(): Promise<SessionEnd> {
    await this.options.membership.join({
      onAssigned: async (partitions) => this.demand({ kind: "open", partitions }),
      // The revoke barrier: answered only when no transaction with these partitions is open.
      onRevoked: (partitions) => new Promise((done) => this.demand({ kind: "close", partitions, done })),
      onError: (error) => {
        this.failed ??= error;
        this.wake?.();
      },
    });
    try {
      return await this.loop();
    } catch (error) {
      if (error instanceof Stopped && this.failed === undefined) return "stopped";
      if (RepriseError.is(error) && error.code === "PRODUCER_FENCED") return "fenced";
      throw error instanceof Stopped ? this.failed : error;
    } finally {
      this.closeAll();
      for (const demand of this.demands) if (demand.kind === "close") demand.done();
      this.demands = [];
      this.stopping = true;
      this.ended = true;
    }
  }

  private demand(demand: Demand): void {
    // Not as soon as it is stopping: partitions may be opening that would be committed after they were given away.
    if (this.ended && demand.kind === "close") demand.done();
    else this.demands.push(demand);
    this.wake?.();
  }

  private readonly interrupted = (): boolean => this.stopping || this.failed !== undefined;

  private async loop(): Promise<SessionEnd> {
    const { control, spec } = this.options;
    for (;;) {
      if (this.failed !== undefined)
        throw this.failed instanceof Error ? this.failed : new Error("the route failed", { cause: this.failed });
      control.poll();
      const { state } = control.state.deployments.get(spec.id) ?? {};
      if (state === "Retiring" || state === "Retired") return "retired";
      if ((await this.meetDemands()) === "fenced") return "fenced";
      if (this.stopping) return (await this.commit()) === "fenced" ? "fenced" : "stopped";
      const progressed = this.turn();
      if (this.commitIsDue() && (await this.commit()) === "fenced") return "fenced";
      if (progressed) await this.clock.nextTurn();
      else await this.idle();
    }
  }

  private async idle(): Promise<void> {
    const woken = new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    await Promise.race([this.options.reader.wait(idleMs), woken]);
    this.wake = undefined;
    await this.clock.nextTurn();
  }

  private async meetDemands(): Promise<"met" | "fenced"> {
    for (let demand = this.demands[0]; demand !== undefined; demand = this.demands[0]) {
      if (demand.kind === "open") {
        if (!this.initialised) await this.initialise();
        await this.open(demand.partitions.filter((partition) => !this.tasks.has(partition)));
        this.demands.shift();
        continue;
      }
      const end = await this.commit();
      for (const partition of demand.partitions) this.close(partition);
      this.demands.shift();
      demand.done();
      if (end === "fenced") return "fenced";
    }
    return "met";
  }

  /** As every session: initTransactions, then the control log up to the end offset asked for afterwards. */
  private async initialise(): Promise<void> {
    await this.options.writer.init();
    await this.options.control.readToEnd(this.interrupted);
    this.initialised = true;
  }

  /** From the committed offsets, require-stable: no transaction of a former owner is pending any more. */
  private async open(partitions: readonly number[]): Promise<void> {
    const { deployed, route, reader, offsets, groupOffsets, observer } = this.options;
    const { topic, partitions: origins } = deployed.source;
    const added = partitions.find((partition) => partition >= origins);
    if (added !== undefined) {
      throw new RepriseError(
        "PARTITIONS_CHANGED",
        `the source ${topic} of ${deployed.topic} has a partition ${added} now, it had ${origins} when it was deployed`,
        { details: { deployment: this.options.spec.id, topic, partition: added } },
      );
    }
    const asked = partitions.map((partition) => ({ topic, partition }));
    const committed = partitions.length === 0 ? [] : await groupOffsets.committed(deployed.topic, asked);
    for (const at of asked) {
      const found = committed.find(({ partition }) => partition === at.partition);
      const position = found?.offset ?? (await offsets.earliest(at));
      const timeMs = found === undefined ? Number.NEGATIVE_INFINITY : streamTimeOf(found.metadata, deployed.topic, at.partition);
      this.tasks.set(at.partition, new RouteTask({ route, ...at, targets: deployed.partitions, reader, position, timeMs }));
      reader.assign(at, position);
      observer.opened(at.partition, position);
    }
  }

  private close(partition: number): void {
    if (!this.tasks.delete(partition)) return;
    this.drainedSinceMs.delete(partition);
    this.options.reader.unassign({ topic: this.options.deployed.source.topic, partition });
  }

  private closeAll(): number[] {
    const partitions = [...this.tasks.keys()];
    for (const partition of partitions) this.close(partition);
    return partitions;
  }

  /** Routes of the partition that is furthest behind. True when something was routed. */
  private turn(): boolean {
    const nowMs = this.clock.elapsedMs();
    let next: RouteTask | undefined;
    let behind: RouteTask | undefined;
    for (const [partition, task] of this.tasks) {
      const state = task.look();
      if (state === "end") this.atEnd(partition, task, nowMs);
      else this.drainedSinceMs.delete(partition);
      if (state === "ready" && (next === undefined || task.timeMs < next.timeMs)) next = task;
      if (state === "later" && (behind === undefined || task.timeMs < behind.timeMs)) behind = task;
    }
    // What a stage after this has to hold until the last one has come as far is bounded by how far partitions are apart.
    if (next !== undefined && behind !== undefined && behind.timeMs < next.timeMs) {
      this.blockedSinceMs ??= nowMs;
      if (nowMs - this.blockedSinceMs < patienceMs) return false;
    } else this.blockedSinceMs = undefined;
    return next !== undefined && next.step(this.limits.stepRecords) > 0;
  }

  private atEnd(partition: number, task: RouteTask, nowMs: number): void {
    const since = this.drainedSinceMs.get(partition);
    if (since === undefined) this.drainedSinceMs.set(partition, nowMs);
    else if (nowMs - since >= this.limits.idleAfterMs) task.goIdle();
  }

  private commitIsDue(): boolean {
    let records = 0;
    let bytes = 0;
    let news = false;
    for (const task of this.tasks.values()) {
      records += task.records.length;
      bytes += task.bytes;
      news ||= task.hasNews;
    }
    if (records >= this.limits.maxRecords || bytes >= this.limits.maxBytes) return true;
    return news && this.clock.elapsedMs() - this.lastCommitMs >= this.options.spec.commitIntervalMs;
  }

  private async commit(): Promise<"done" | "fenced"> {
    this.lastCommitMs = this.clock.elapsedMs();
    const tasks = [...this.tasks.values()].filter((task) => task.hasNews);
    if (tasks.length === 0) return "done";
    const { writer, deployed, observer } = this.options;
    const ends = await this.endsOfSource();
    await writer.begin();
    let records = 0;
    const told = new Set<number>();
    for (const task of tasks) {
      task.prepare();
      for (const { partition, key, value, timestampMs, headers } of task.records) {
        // Before anything else of the commit is: what others have by now must not be overtaken by it.
        if (!told.has(partition)) headers.splice(1, 0, ends);
        told.add(partition);
        writer.produce(deployed.topic, partition, key, value, timestampMs, headers);
      }
      records += task.records.length;
      await writer.drain();
    }
    const outcome = await writer.commit(
      tasks.map(({ partition, position, timeMs }) => ({
        topic: deployed.source.topic,
        partition,
        offset: position,
        metadata: JSON.stringify({ format: 1, streamTimeMs: finiteOrNull(timeMs) } satisfies RouteMetadata),
      })),
    );
    if (outcome.kind === "committed") {
      this.abortsInRow = 0;
      for (const task of tasks) task.decided();
      observer.routed(deployed.topic, records);
      return "done";
    }
    return await this.undecided(outcome);
  }

  /**
   * Asked for after everything that is committed was read: a partition that has said that it has nothing more, and whose owner has just died or has not
   * read on yet, has more by this.
   */
  private async endsOfSource(): Promise<RecordHeader> {
    const { offsets, deployed } = this.options;
    const { topic, partitions } = deployed.source;
    return endsOf(await offsets.highWatermarks(Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))));
  }

  /** Whatever became of it, the committed offsets say from where to go on. */
  private async undecided(outcome: Exclude<TransactionOutcome, { kind: "committed" }>): Promise<"done" | "fenced"> {
    if (outcome.kind === "fenced") return "fenced";
    const partitions = this.closeAll();
    if (outcome.kind === "in-doubt") await this.initialise();
    else if (++this.abortsInRow > maxAbortsInRow) {
      throw new RepriseError("KAFKA_FAILED", `${this.abortsInRow} transactions in a row were aborted: ${String(outcome.cause)}`, {
        cause: outcome.cause,
      });
    } else await this.clock.sleep(idleMs);
    await this.open(partitions);
    return "done";
  }
}

/** @throws RepriseError DECLARATION_CONFLICT */
function streamTimeOf(metadata: string, group: string, partition: number): number {
  try {
    const value = JSON.parse(metadata) as Partial<RouteMetadata> | null;
    if (value !== null && value.format === 1) return orMinusInfinity(value.streamTimeMs);
  } catch {
    // Falls through: whoever committed it, it was not a route.
  }
  throw new RepriseError(
    "DECLARATION_CONFLICT",
    `the group ${group} has an offset for partition ${partition} of its source that Reprise did not commit`,
  );
}
