import { RepriseError } from "@reprise/schema";
import { decodeCommitRecord } from "../commit/commit-record.ts";
import { deltaTopicOf, groupOf } from "../control/names.ts";
import { failpoint } from "../internal/failpoint.ts";
import { Stopped } from "../internal/stopped.ts";
import type { PreparedCommit } from "../task/task.ts";
import type { Clock } from "../ports/clock.ts";
import type { PartitionEnd } from "../ports/log-reader.ts";
import type { TransactionOutcome } from "../ports/transactional-writer.ts";
import { shipCheckpoint, writeCheckpoint } from "./checkpointer.ts";
import { Committer, type TaskCommit } from "./committer.ts";
import { FollowPoller } from "./follow-poller.ts";
import { Openings } from "./openings.ts";
import { applyRole, type FollowBounds, followsWithin, isParked, roleOf, type Role } from "./publication.ts";
import type { Base, RunningTask } from "./running-task.ts";
import { Scrubber } from "./scrubber.ts";
import type { SessionOptions } from "./session-options.ts";
import { closeTask, startTask } from "./start-task.ts";
import { faultOf } from "./task-fault.ts";
import { truncateDeltas } from "./truncate-deltas.ts";

/** How a session ended. `fenced`: another producer has the id (a cutover, a twin) or a transaction timed out: open a new session. */
export type SessionEnd = "stopped" | "retired" | "fenced";

type Demand =
  | { readonly kind: "open"; readonly partitions: readonly number[] }
  | { readonly kind: "close"; readonly partitions: readonly number[]; readonly done: () => void };

/** A transaction that is not known to be decided. */
interface PendingCommit {
  readonly commits: readonly TaskCommit[];
  readonly startedMs: number;
  readonly outcome: Promise<TransactionOutcome>;
  ended: boolean;
}

/** Nothing to do: look again then, if nothing wakes the session before. */
const idleMs = 50;
/** Tasks are stepped for so long before timers, sockets and requests get their turn. */
const longestRoundMs = 20;
/** Enough to overlap the waits of restoring; each may hold some megabytes of rows. */
const openingsAtOnce = 4;
/** Between two tries to write a base, while the checkpoint store is away. */
const firstBasePauseMs = 500;
const longestBasePauseMs = 30_000;
/** After a checkpoint that failed: the store may be away for a while, and nothing is lost by it. */
const checkpointRetryMs = 5_000;
/** More than a broker's hiccup: give up, and let a new session try. */
const maxFailuresInRow = 5;
/** A topic's metadata may be late; a record that is too large stays so. */
const maxRefusals = 3;

/**
 * One life of a worker between joining the group and leaving it: runs the tasks it is given in a loop of steps and commits. Everything that it
 * decides is decided by Kafka transactions; a session that ends in any way loses nothing, the next one opens from what was decided.
 */
export class Session {
  readonly tasks = new Map<number, RunningTask>();
  private readonly options: SessionOptions;
  private readonly clock: Clock;
  private readonly committer: Committer;
  private readonly poller: FollowPoller;
  private readonly openings: Openings;
  private readonly scrubber: Scrubber;
  /** Tasks of which a store was dropped because it did not hold what its digest is of. */
  private readonly mismatched = new Set<number>();
  private demands: Demand[] = [];
  private stopping = false;
  /** All tasks are closed: nothing is left to be given up. */
  private ended = false;
  private failed: unknown;
  private initialised = false;
  private parked = false;
  private failuresInRow = 0;
  /** The commit that is on its way. */
  private pending: PendingCommit | undefined;
  /** Tasks whose records Kafka may have refused, and how often it was each of them alone. */
  private readonly suspects = new Map<number, { readonly times: number; readonly cause: unknown }>();
  private lastCommitMs: number;
  private role: Role = { kind: "idle" };
  /** What this round follows by; what is read meanwhile counts from the next one on. */
  private bounds: FollowBounds = new Map();
  private wake: (() => void) | undefined;

  constructor(options: SessionOptions) {
    this.options = options;
    this.clock = options.clock;
    this.committer = new Committer(options);
    this.scrubber = new Scrubber(options.limits, options.observer, options.clock);
    this.lastCommitMs = this.clock.elapsedMs();
    this.openings = new Openings({
      start: (wish, interrupted) => startTask(options, wish, interrupted),
      atOnce: openingsAtOnce,
      failed: (partition, error, final) => options.observer.openingFailed(partition, error, final),
      changed: () => this.awake(),
      clock: this.clock,
    });
    this.poller = new FollowPoller(options.groupOffsets, this.leadTopic, options.limits.followIntervalMs, this.clock, () => this.awake());
  }

  /** The newest known end of an input partition. */
  endOf(topic: string, partition: number): PartitionEnd | undefined {
    return this.options.reader.end({ topic, partition });
  }

  /** Tasks that are assigned and don't run yet. */
  get opening(): readonly number[] {
    return this.openings.partitions;
  }

  private get leadTopic(): string {
    return (this.options.spec.inputs[0] as { topic: string }).topic;
  }

  /** Finishes what is under way, commits it, and ends the session. */
  stop(): void {
    this.stopping = true;
    this.awake();
  }

  /**
   * Runs until `stop`, until it is fenced, or until something fails that a new session may cure.
   * @throws RepriseError of opening, of the group, of the local store
   */
  async run(): Promise<SessionEnd> {
    const { membership } = this.options;
    await this.committer.open();
    await membership.join({
      onAssigned: async (partitions) => this.demand({ kind: "open", partitions }),
      // The revoke barrier: answered only when no transaction with these partitions is open.
      onRevoked: (partitions) => new Promise((done) => this.demand({ kind: "close", partitions, done })),
      onError: (error) => {
        this.failed ??= error;
        this.awake();
      },
    });
    let end: SessionEnd;
    try {
      end = await this.loop().catch((error: unknown) => this.endOfError(error));
    } catch (error) {
      // Why the session ended says more than what closing a store fails with because of it.
      await this.closeAll();
      throw error;
    }
    const [failure] = await this.closeAll();
    if (end === "fenced") failpoint("session-fenced");
    if (failure !== undefined) throw failure.error;
    return end;
  }

  /** Closes every task, whatever becomes of the others: a store that stays open would be locked for the next session. */
  private async closeAll(): Promise<{ readonly error: unknown }[]> {
    const failures: { readonly error: unknown }[] = [];
    this.poller.stop();
    // The revoke barrier: whatever becomes of it, nothing of these tasks is committed after this.
    await this.pending?.outcome.catch(() => undefined);
    for (const partition of [...this.tasks.keys()]) await this.close(partition).catch((error: unknown) => failures.push({ error }));
    await this.openings.close().catch((error: unknown) => failures.push({ error }));
    for (const demand of this.demands) if (demand.kind === "close") demand.done();
    this.demands = [];
    this.stopping = true;
    this.ended = true;
    return failures;
  }

  /** Two ends come as errors, out of calls that can't go on: being fenced while a transaction begins or a producer is replaced, and being stopped. */
  private endOfError(error: unknown): SessionEnd {
    if (error instanceof Stopped && this.failed === undefined) return "stopped";
    if (RepriseError.is(error) && error.code === "PRODUCER_FENCED") return "fenced";
    throw error instanceof Stopped ? this.failed : error;
  }

  private demand(demand: Demand): void {
    // Not as soon as it is stopping: a task may be opening that would be committed after it was given away.
    if (this.ended && demand.kind === "close") demand.done();
    else this.demands.push(demand);
    this.awake();
  }

  private readonly interrupted = (): boolean => this.stopping || this.failed !== undefined;

  private awake(): void {
    this.wake?.();
  }

  private async loop(): Promise<SessionEnd> {
    for (;;) {
      const failure = this.failed ?? this.openings.failure;
      if (failure !== undefined) throw failure instanceof Error ? failure : new Error("the session failed", { cause: failure });
      this.options.control.poll();
      const { state } = this.options.control.state.deployments.get(this.options.spec.id) ?? {};
      if (state === "Retiring" || state === "Retired") return "retired";
      const met = await this.meetDemands();
      if (met === "fenced") return "fenced";
      this.adopt();
      if (this.stopping) return this.tasks.size > 0 && (await this.commitAll(true)) === "fenced" ? "fenced" : "stopped";
      const progressed = await this.turn();
      if (progressed === "fenced") return "fenced";
      if (progressed || this.pending?.ended === true) await this.clock.nextTurn();
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
    // A demand stays in the list until it is met: when it can't be, the end of the session answers it.
    for (let demand = this.demands[0]; demand !== undefined; demand = this.demands[0]) {
      if (demand.kind === "open") {
        failpoint("assigned");
        if (!this.initialised) await this.initialise();
        for (const partition of demand.partitions) if (!this.tasks.has(partition)) this.openings.begin({ partition, dropLocal: false });
        this.demands.shift();
        continue;
      }
      failpoint("revoke-asked");
      // What is only being opened has nothing to commit, and is given up at once.
      const end = demand.partitions.some((partition) => this.tasks.has(partition)) ? await this.commitAll(true) : "committed";
      failpoint("revoke-committed");
      for (const partition of demand.partitions) await this.close(partition);
      failpoint("revoke-closed");
      this.demands.shift();
      demand.done();
      failpoint("revoke-answered");
      if (end === "fenced") return "fenced";
    }
    return "met";
  }

  /**
   * Opening, steps 2 and 3: initTransactions, then the control log up to the end offset asked for afterwards. Again after every replacement of the
   * producer.
   */
  private async initialise(): Promise<void> {
    await this.options.writer.init();
    await this.options.control.readToEnd(this.interrupted);
    failpoint("control-read");
    this.initialised = true;
    // Rule b: a session that opens under an Intent away from its own deployment commits nothing before the Cut.
    this.parked = isParked(this.options.control.state, this.options.spec.id);
    if (this.parked) failpoint("session-parked");
  }

  /** Takes over what was opened beside the loop. */
  private adopt(): void {
    for (const { running, how, durationMs } of this.openings.takeStarted()) {
      const { task, reader } = running;
      try {
        for (const cursor of task.cursors) reader.assign(cursor.partition, cursor.position);
      } catch (error) {
        if (faultOf(error) !== "task") throw error;
        this.stopTask(running, error);
      }
      this.tasks.set(task.partition, running);
      failpoint("task-opened");
      this.options.observer.taskOpened(task.partition, how, durationMs);
      this.report(running);
    }
  }

  private async close(partition: number): Promise<void> {
    if (this.openings.giveUp(partition)) this.options.observer.taskClosed(partition);
    const running = this.tasks.get(partition);
    if (running === undefined) return;
    this.tasks.delete(partition);
    for (const cursor of running.task.cursors) running.reader.unassign(cursor.partition);
    await closeTask(running);
    this.options.observer.taskClosed(partition);
  }

  /** One round over all tasks, then a commit when it is time. True when something was processed. */
  private async turn(): Promise<boolean | "fenced"> {
    if (this.parked) {
      this.parked = isParked(this.options.control.state, this.options.spec.id);
      if (this.parked) return false;
    }
    // 3. What was decided meanwhile counts before anything else is done.
    if (this.pending?.ended === true && (await this.finishCommit()) === "fenced") return "fenced";
    await this.upkeep();
    this.updateRole();
    let records = 0;
    let yieldedMs = this.clock.elapsedMs();
    for (const [partition, running] of this.tasks) {
      const { task } = running;
      if (running.base !== undefined) continue;
      if (this.clock.elapsedMs() - yieldedMs > longestRoundMs) {
        await this.clock.nextTurn();
        yieldedMs = this.clock.elapsedMs();
      }
      if (applyRole(task, this.role, this.bounds)) {
        failpoint("publishing-began");
        this.options.observer.startedPublishing(partition);
      }
      const started = this.clock.elapsedMs();
      const n = await this.step(running);
      if (n === "fenced") return "fenced";
      records += n;
      if (n > 0) this.options.observer.stepped(partition, n, this.clock.elapsedMs() - started);
      this.report(running);
    }
    if ((await this.commitWhenDue()) === "fenced") return "fenced";
    if ((await this.goLive()) === "fenced") return "fenced";
    return records > 0;
  }

  /** The next commit begins when the last one is decided; the tasks go on meanwhile, up to what a commit may hold. */
  private async commitWhenDue(): Promise<"committed" | "fenced"> {
    if (this.pending !== undefined) {
      if (!this.commitIsLarge()) return "committed";
      if ((await this.finishCommit()) === "fenced") return "fenced";
    }
    if (!this.commitIsDue()) return "committed";
    // Suspects have transactions of their own, one after the other.
    if (this.suspects.size > 0) return await this.commitAll(false);
    this.beginCommit(this.prepareAll());
    return this.options.limits.pipelined ? "committed" : await this.finishCommit();
  }

  /** What is wrong with a task's own input or store concerns that task. */
  private async step(running: RunningTask): Promise<number | "fenced"> {
    try {
      return await running.task.step();
    } catch (error) {
      const corrupt = RepriseError.is(error) && error.code === "STATE_CORRUPT";
      if (!corrupt && faultOf(error) !== "task") throw error;
      if (!corrupt) this.stopTask(running, error);
      // What it is opened from must be decided: not while a commit of it is on its way.
      else if ((await this.finishCommit()) === "fenced") return "fenced";
      else if (this.tasks.get(running.task.partition) === running) {
        const { partition } = running.task;
        this.options.observer.storeDropped(partition, { reason: "STATE_CORRUPT", message: error.message });
        await this.reopen(partition, true);
      }
      return 0;
    }
  }

  /**
   * What a scrub has found. The first time, damage of the files is the likely cause. The second time the store was just restored: then what was decided
   * does not add up, because a task went on from damaged rows before they were found, and restoring it again would end the same way.
   */
  private async dropMismatched(running: RunningTask, message: string): Promise<void> {
    const { task } = running;
    if (!this.mismatched.has(task.partition)) {
      this.mismatched.add(task.partition);
      this.options.observer.storeDropped(task.partition, { reason: "digest", message });
      await this.reopen(task.partition, true);
      return;
    }
    const { name, version } = this.options.processor;
    this.stopTask(
      running,
      new RepriseError(
        "STATE_CORRUPT",
        `${name} v${version}: what was decided for task ${task.partition} does not add up: restored, ${message}. Deploy the version again.`,
        { details: { processor: name, version, partition: task.partition } },
      ),
    );
    this.report(running);
  }

  /** It may have met the error in the middle of a batch: what it processed since its last commit is dropped with it. */
  private stopTask(running: RunningTask, error: unknown): void {
    running.lost = true;
    running.task.failure ??= error as RepriseError;
  }

  private updateRole(): void {
    const { control, spec } = this.options;
    this.role = roleOf(control.state, spec.id, spec.processor);
    const following = this.role.kind === "follower" ? this.role.of : undefined;
    const free = following !== undefined && !followsWithin(spec, control.state.deployments.get(following)?.spec);
    this.poller.follow(free ? undefined : following, [...this.tasks.keys()]);
    this.bounds = free ? new Map([...this.tasks.keys()].map((partition) => [partition, {}])) : this.poller.bounds;
  }

  private commitIsLarge(): boolean {
    const { limits } = this.options;
    let rows = 0;
    let changedBytes = 0;
    let bytes = 0;
    for (const { task } of this.tasks.values()) {
      rows += task.state.changedRows;
      changedBytes += task.state.changedBytes;
      bytes += task.outputBytes;
    }
    return rows >= limits.maxChangedRows || changedBytes >= limits.maxChangedBytes || bytes >= limits.maxOutputBytes;
  }

  private commitIsDue(): boolean {
    const { limits, spec } = this.options;
    let live = false;
    for (const { task, committed } of this.tasks.values()) {
      live ||= task.meta.mode === "live";
      if (!committed && task.failure === undefined) return true;
    }
    if (this.commitIsLarge()) return true;
    const interval = live ? spec.commitIntervalMs : Math.max(spec.commitIntervalMs, limits.buildingCommitIntervalMs);
    return this.clock.elapsedMs() - this.lastCommitMs >= interval;
  }

  /**
   * Commits every task that moved, and waits until that is decided. `flush`: also bring the local stores up to it (before giving tasks away, and at the
   * end).
   */
  private async commitAll(flush: boolean): Promise<"committed" | "fenced"> {
    if ((await this.finishCommit()) === "fenced") return "fenced";
    if (this.parked) return "committed";
    for (const together of this.transactionsOf(this.prepareAll())) {
      // An outcome in doubt may have had it opened anew.
      this.beginCommit(together.filter(({ task }) => this.tasks.get(task.partition)?.task === task));
      if ((await this.finishCommit()) === "fenced") return "fenced";
    }
    if (flush) for (const running of this.tasks.values()) await this.flush(running);
    return "committed";
  }

  /** 1. What every task that moved has changed, encoded; it may go on at once, on top of that. */
  private prepareAll(): TaskCommit[] {
    this.lastCommitMs = this.clock.elapsedMs();
    const commits: TaskCommit[] = [];
    for (const running of this.tasks.values()) {
      const { task, committed, base } = running;
      // The first commit of a task without a record announces it: n = 0 of a live one is its empty state.
      if (running.lost || base !== undefined || (!task.hasProgress && committed)) continue;
      const { mode, n, deltaFrom } = task.meta;
      const next = mode === "live" && task.hasProgress ? n + 1 : n;
      const prepared = this.prepare(running, () => task.prepare(mode, next, deltaFrom));
      if (prepared !== undefined) commits.push({ task, prepared });
    }
    return commits;
  }

  /** One transaction for all; but whoever may have written what Kafka refused has one alone, so that the others are not aborted with it. */
  private transactionsOf(commits: readonly TaskCommit[]): (readonly TaskCommit[])[] {
    if (this.suspects.size === 0) return [commits];
    const suspect = ({ task }: TaskCommit): boolean => this.suspects.has(task.partition);
    return [...commits.filter(suspect).map((commit) => [commit]), commits.filter((commit) => !suspect(commit))];
  }

  /** 2. The transaction, beside the loop. Nothing of the next one is produced before it is decided. */
  private beginCommit(commits: readonly TaskCommit[]): void {
    if (commits.length === 0) return;
    const pending: PendingCommit = {
      commits,
      startedMs: this.clock.elapsedMs(),
      ended: false,
      outcome: this.committer.commit(commits).finally(() => {
        pending.ended = true;
        this.awake();
      }),
    };
    // Whoever finishes it is told.
    pending.outcome.catch(() => undefined);
    this.pending = pending;
  }

  /** 3. Waits for the commit that is on its way, if there is one, and does what its outcome asks for. */
  private async finishCommit(): Promise<"committed" | "fenced"> {
    const { pending } = this;
    if (pending === undefined) return "committed";
    const outcome = await pending.outcome.finally(() => (this.pending = undefined));
    if ((await this.settle(outcome, pending.commits)) === "fenced") return "fenced";
    if (outcome.kind === "committed") this.options.observer.committed(pending.commits.length, this.clock.elapsedMs() - pending.startedMs);
    return "committed";
  }

  /** A value that was changed after a handler had set it may not fit its schema any more: that task leaves the transaction, the others go on. */
  private prepare(running: RunningTask, prepare: () => PreparedCommit): PreparedCommit | undefined {
    const { task } = running;
    try {
      return prepare();
    } catch (cause) {
      const { name, version } = this.options.processor;
      const message = `${name} v${version}: task ${task.partition} can't commit: ${cause instanceof Error ? cause.message : String(cause)}`;
      this.stopTask(
        running,
        new RepriseError("HANDLER_FAILED", message, { cause, details: { processor: name, version, partition: task.partition } }),
      );
      this.report(running);
      return undefined;
    }
  }

  private report(running: RunningTask): void {
    if (running.task.failure === undefined || running.reported) return;
    running.reported = true;
    this.options.observer.taskFailed(running.task.partition, running.task.failure);
  }

  /** What an outcome means for the tasks of a commit. One that is not decided is never undone in place: the task is opened anew from what was decided. */
  private async settle(outcome: TransactionOutcome, commits: readonly TaskCommit[]): Promise<"committed" | "fenced"> {
    switch (outcome.kind) {
      case "committed":
        this.failuresInRow = 0;
        for (const commit of commits) this.decided(commit);
        return "committed";
      case "fenced":
        return "fenced";
      case "aborted":
        this.notDecided(outcome, commits);
        for (const { task } of commits) await this.reopen(task.partition);
        await this.clock.sleep(idleMs);
        return "committed";
      case "in-doubt": {
        this.notDecided(outcome, commits);
        await this.initialise();
        const decided = await this.decidedCommits(commits);
        for (const commit of commits) {
          if (decided.has(commit.task.partition)) this.decided(commit);
          else await this.reopen(commit.task.partition);
        }
        // All may have gone on meanwhile, publishing by what the log said before the producer was replaced: rule a holds for that too.
        for (const { task, lost, base } of [...this.tasks.values()])
          if (!lost && (task.hasProgress || (task.isCommitting && base === undefined))) await this.reopen(task.partition);
        return "committed";
      }
    }
  }

  private notDecided(outcome: Extract<TransactionOutcome, { kind: "aborted" | "in-doubt" }>, commits: readonly TaskCommit[]): void {
    const { kind, cause } = outcome;
    if (outcome.refused === true) {
      // Each task of the commit is tried alone; the one that it happens to alone stops, after some tries.
      for (const { task } of commits)
        this.suspects.set(task.partition, { times: commits.length > 1 ? 0 : (this.suspects.get(task.partition)?.times ?? 0) + 1, cause });
    } else if (++this.failuresInRow > maxFailuresInRow) {
      throw new RepriseError("KAFKA_FAILED", `${this.failuresInRow} transactions in a row were ${kind}: ${String(cause)}`, { cause });
    }
  }

  /** Kafka refused what this task writes too often. */
  private stopRefused(running: RunningTask, cause: unknown): void {
    const { name, version } = this.options.processor;
    const { partition } = running.task;
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `${name} v${version}: Kafka refuses what task ${partition} writes: ${why}`;
    this.stopTask(running, new RepriseError("OUTPUT_REFUSED", message, { cause, details: { processor: name, version, partition } }));
    this.report(running);
  }

  private decided(commit: TaskCommit): void {
    const { task, prepared } = commit;
    task.decided();
    failpoint("commit-folded");
    this.suspects.delete(task.partition);
    for (const [topic, records] of this.committer.countByTopic(prepared.outputs)) this.options.observer.published(topic, records);
    const running = this.tasks.get(task.partition);
    if (running !== undefined) running.committed = true;
  }

  /** Which of these commits are in Kafka: n of the commit record says so (a building task has nothing to lose: its position does). */
  private async decidedCommits(commits: readonly TaskCommit[]): Promise<Set<number>> {
    const partitions = commits.map(({ task }) => ({ topic: this.leadTopic, partition: task.partition }));
    const found = await this.options.groupOffsets.committed(groupOf(this.options.spec.id), partitions);
    const decided = new Set<number>();
    for (const { prepared } of commits) {
      const offset = found.find((o) => o.partition === prepared.meta.partition);
      const record = offset === undefined ? undefined : decodeCommitRecord(offset.metadata);
      if (record === undefined || record.mode !== prepared.meta.mode || record.n !== prepared.meta.n) continue;
      if (record.digest === prepared.meta.digest && offset?.offset === prepared.meta.position[this.leadTopic])
        decided.add(prepared.meta.partition);
    }
    return decided;
  }

  /** Anew from what was decided, beside the loop; but one whose records were refused too often stays as it is. */
  private async reopen(partition: number, dropLocal = false): Promise<void> {
    const running = this.tasks.get(partition);
    const suspect = this.suspects.get(partition);
    if (running !== undefined && suspect !== undefined && suspect.times >= maxRefusals) return this.stopRefused(running, suspect.cause);
    await this.close(partition);
    this.openings.begin({ partition, dropLocal });
  }

  private async flush(running: RunningTask): Promise<void> {
    const { task } = running;
    running.lastFlushMs = this.clock.elapsedMs();
    if (task.unsavedRows === 0 && !running.committed) return;
    await task.flush();
  }

  /**
   * Building tasks that have what there is to have go live, at their position P between two batches: a durable checkpoint at P is n = 0, and only
   * then does the commit record say so. Until then the task stands still, and the others go on.
   */
  private async goLive(): Promise<"done" | "fenced"> {
    for (const running of this.tasks.values()) {
      const { task, base } = running;
      if (base !== undefined) {
        if ((await this.concludeBase(running, base)) === "fenced") return "fenced";
        continue;
      }
      if (this.parked) break;
      if (task.meta.mode === "live" || task.failure !== undefined || !running.committed) continue;
      if (this.role.kind === "idle" || (this.role.kind === "follower" && !this.bounds.has(task.partition))) continue;
      // Not "is drained": of several busy inputs, one always has a record that is held back.
      if (!task.upToDate) continue;
      if ((task.hasProgress || task.isCommitting) && (await this.commitAll(false)) === "fenced") return "fenced";
      if (task.hasProgress || this.tasks.get(task.partition) !== running) continue;
      // Others may have begun the next one.
      if ((await this.finishCommit()) === "fenced") return "fenced";
      const deltaFrom = await this.options.offsets.highWatermark({ topic: deltaTopicOf(this.options.spec.id), partition: task.partition });
      const prepared = task.prepare("live", 0, deltaFrom);
      await task.flush();
      running.base = { prepared, startedMs: this.clock.elapsedMs(), state: "writing", failures: 0, retryMs: 0 };
      this.writeBase(running, running.base);
    }
    return "done";
  }

  /** Beside the loop: a large state takes minutes. The base is derived from nothing that its commit could change: it may be written first, and must be. */
  private writeBase(running: RunningTask, base: Base): void {
    const { checkpoints, observer } = this.options;
    base.state = "writing";
    const givenUp = (): boolean => running.closing;
    // Nothing is removed for it: who has lost the task meanwhile and does not know it yet must not remove the base of who has it.
    running.checkpointing = writeCheckpoint(checkpoints, running.store, base.prepared.meta, Number.POSITIVE_INFINITY, givenUp)
      .then(() => {
        failpoint("base-written");
        base.state = "durable";
      })
      .catch((error: unknown) => {
        base.state = "failed";
        base.retryMs = this.clock.elapsedMs() + Math.min(longestBasePauseMs, firstBasePauseMs * 2 ** base.failures++);
        if (running.closing) return;
        observer.checkpointFailed(running.task.partition, error);
        if (faultOf(error) === "session" || diskIsFull(error)) this.failed ??= error;
      })
      .finally(() => {
        running.checkpointing = undefined;
        this.awake();
      });
  }

  /** Only when its base is durable does the commit record say that a task is live. */
  private async concludeBase(running: RunningTask, base: Base): Promise<"done" | "fenced"> {
    if (base.state === "failed" && this.clock.elapsedMs() >= base.retryMs) this.writeBase(running, base);
    if (base.state !== "durable" || this.parked) return "done";
    const { task } = running;
    const commit = { task, prepared: base.prepared };
    if ((await this.finishCommit()) === "fenced") return "fenced";
    if (this.tasks.get(task.partition) !== running) return "done";
    const outcome = await this.committer.commit([commit]);
    if ((await this.settle(outcome, [commit])) === "fenced") return "fenced";
    // In doubt may have turned out as decided; else the task was opened anew.
    if (this.tasks.get(task.partition) !== running) return "done";
    failpoint("live-committed");
    running.base = undefined;
    running.lastCheckpointMs = this.clock.elapsedMs();
    await task.flush();
    this.options.observer.wentLive(task.partition);
    this.options.observer.checkpointed(task.partition, 0, this.clock.elapsedMs() - base.startedMs);
    return "done";
  }

  /** Lazy writes to the local stores, and checkpoints from time to time. */
  private async upkeep(): Promise<void> {
    // Where deltas of the next commit begin can be asked for only while none is on its way.
    if (this.pending !== undefined) return;
    const { limits } = this.options;
    const now = this.clock.elapsedMs();
    for (const running of [...this.tasks.values()]) {
      const { task } = running;
      if (!running.committed || running.lost || running.base !== undefined) continue;
      if (running.corrupt !== undefined) {
        await this.dropMismatched(running, running.corrupt);
        continue;
      }
      this.scrubber.consider(running, now);
      const due = now - running.lastFlushMs >= limits.flushIntervalMs && task.unsavedRows > 0;
      const many = task.unsavedRows >= limits.maxUnsavedRows || task.state.unsavedBytes >= limits.maxUnsavedBytes;
      if (due || many) await this.flush(running);
      if (
        task.meta.mode === "live" &&
        task.meta.n > 0 &&
        now - running.lastCheckpointMs >= limits.checkpointIntervalMs &&
        running.checkpointing === undefined
      ) {
        await this.beginCheckpoint(running);
      }
    }
  }

  private async beginCheckpoint(running: RunningTask): Promise<void> {
    const { task } = running;
    const { meta } = task;
    const { limits, observer } = this.options;
    running.lastCheckpointMs = this.clock.elapsedMs();
    // Nothing of n + 1 is produced yet, so its delta will be at or beyond this offset; unless the task is another's already, whose n + 1 lies below it.
    // A commit of ours that comes after says that it was not: until then the offset before counts.
    const end = await this.options.offsets.highWatermark({ topic: deltaTopicOf(this.options.spec.id), partition: task.partition });
    const { deltaEnd } = running;
    const proven = deltaEnd !== undefined && deltaEnd.n < meta.n;
    if (deltaEnd === undefined || proven) running.deltaEnd = { n: meta.n, offset: end };
    task.meta = proven ? { ...meta, deltaFrom: deltaEnd.offset } : meta;
    if (running.wholeCheckpoint === true) await this.flush(running);
    failpoint("checkpoint-flushed");
    const started = this.clock.elapsedMs();
    running.checkpointing = shipCheckpoint(this.options, running, end)
      .then((size) => {
        // Nothing to build on: a whole copy, as soon as the store can be brought up to it.
        running.wholeCheckpoint = size === "whole";
        if (size === "whole") {
          running.lastCheckpointMs = Number.NEGATIVE_INFINITY;
          return undefined;
        }
        observer.checkpointed(task.partition, meta.n, this.clock.elapsedMs() - started, size);
        return this.truncateDeltas(running);
      })
      .catch((error: unknown) => {
        if (running.closing) return;
        running.lastCheckpointMs = this.clock.elapsedMs() - Math.max(0, limits.checkpointIntervalMs - checkpointRetryMs);
        observer.checkpointFailed(task.partition, error);
        if (RepriseError.is(error) && error.code === "STATE_CORRUPT") this.failed ??= error;
      })
      .finally(() => {
        running.checkpointing = undefined;
      });
  }

  /** Beside the loop, after a checkpoint. Deltas that stay cost room, and nothing else. */
  private async truncateDeltas(running: RunningTask): Promise<void> {
    const { checkpoints, offsets, spec, limits, observer } = this.options;
    const { partition } = running.task;
    const now = this.clock.elapsedMs();
    if (running.closing || now - running.lastTruncationMs < limits.truncationIntervalMs) return;
    running.lastTruncationMs = now;
    const truncation = {
      checkpoints,
      offsets,
      deployment: spec.id,
      partition,
      wanted: Math.max(1, limits.keptCheckpoints),
      verified: running.verified,
    };
    try {
      const result = await truncateDeltas(truncation, () => running.closing);
      if ("below" in result) observer.deltasTruncated(partition, result.below);
      else observer.deltasKept(partition, result.kept);
    } catch (error) {
      if (!running.closing) observer.deltasKept(partition, error);
    }
  }
}

const diskIsFull = (error: unknown): boolean => RepriseError.is(error) && error.code === "DISK_FULL";
