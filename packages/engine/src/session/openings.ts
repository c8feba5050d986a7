import { RepriseError } from "@reprise/schema";
import type { Interrupted } from "../internal/stopped.ts";
import type { Clock } from "../ports/clock.ts";
import { closeTask, type OpeningWish, type StartedTask } from "./start-task.ts";
import { faultOf } from "./task-fault.ts";

export interface OpeningsOptions {
  /** Opens one task; gives up with `Stopped` when it is interrupted. */
  readonly start: (wish: OpeningWish, interrupted: Interrupted) => Promise<StartedTask>;
  /** Tasks that are opened at the same time; the others wait for their turn. */
  readonly atOnce: number;
  /** A task can't be opened, or not yet; `final`: it is not tried again. */
  readonly failed: (partition: number, error: unknown, final: boolean) => void;
  /** There is something for `takeStarted`, or `failure` is set. */
  readonly changed: () => void;
  readonly clock: Clock;
}

interface Opening {
  readonly wish: OpeningWish;
  readonly givingUp: AbortController;
  /** Nothing of it is open any more, or it was handed over. */
  readonly ended: Promise<void>;
}

const firstPauseMs = 100;
const longestPauseMs = 10_000;

/**
 * The tasks of a session that are being opened, beside its loop: reading a commit record, restoring a checkpoint and applying deltas may take minutes,
 * in which the tasks that run must not wait. What was started is taken over by the loop between two rounds.
 */
export class Openings {
  /** What no opening of a task can cure: the session has to end with it. */
  failure: unknown;
  private readonly options: OpeningsOptions;
  private readonly openings = new Map<number, Opening>();
  /** Given up, but not at their end yet: the store of such a partition may still be open. */
  private readonly ending = new Map<number, Promise<void>>();
  /** Tasks that can't be opened. */
  private readonly refused = new Set<number>();
  private started: StartedTask[] = [];
  private free: number;
  private readonly waiting: (() => void)[] = [];

  constructor(options: OpeningsOptions) {
    this.options = options;
    this.free = options.atOnce;
  }

  /** Partitions that are being opened, or wait for it. */
  get partitions(): readonly number[] {
    return [...this.openings.keys()];
  }

  /** Nothing when it is under way already. */
  begin(wish: OpeningWish): void {
    const { partition } = wish;
    if (this.openings.has(partition)) return;
    this.refused.delete(partition);
    const givingUp = new AbortController();
    this.openings.set(partition, { wish, givingUp, ended: this.run(wish, givingUp.signal, this.ending.get(partition)) });
  }

  /** What was started since the last call. */
  takeStarted(): StartedTask[] {
    const { started } = this;
    this.started = [];
    for (const { running } of started) this.openings.delete(running.task.partition);
    return started;
  }

  /** The task stays as it is until its partition is given up, or begun anew. */
  refuse(partition: number, error: unknown): void {
    this.refused.add(partition);
    this.options.failed(partition, error, true);
  }

  /**
   * Gives an opening up, without waiting for its end: whoever has the partition next has another folder. False: there is none, nor was one refused.
   */
  giveUp(partition: number): boolean {
    const opening = this.openings.get(partition);
    if (opening === undefined) return this.refused.delete(partition);
    opening.givingUp.abort();
    this.openings.delete(partition);
    const ready = this.started.find(({ running }) => running.task.partition === partition);
    this.started = this.started.filter((one) => one !== ready);
    const ended = opening.ended
      .then(() => (ready === undefined ? undefined : closeTask(ready.running)))
      .finally(() => {
        if (this.ending.get(partition) === ended) this.ending.delete(partition);
      });
    // Whoever waits for it is told; nobody may be.
    ended.catch(() => undefined);
    this.ending.set(partition, ended);
    return true;
  }

  /** Gives all up. Resolves when none of their stores is open any more. */
  async close(): Promise<void> {
    for (const partition of this.partitions) this.giveUp(partition);
    await Promise.all(this.ending.values());
  }

  private async run(wish: OpeningWish, signal: AbortSignal, before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => undefined);
    let next = wish;
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(longestPauseMs, pauseMs * 2)) {
      try {
        await this.attempt(next, signal);
        return;
      } catch (error) {
        if (signal.aborted || !this.mayBeOpenedLater(wish.partition, error)) return;
        // Found out only when it was read: without it, there is another base.
        if (RepriseError.is(error) && error.code === "STATE_CORRUPT") next = { ...wish, dropLocal: true };
      }
      await this.options.clock.sleep(pauseMs, signal);
    }
  }

  private async attempt(wish: OpeningWish, signal: AbortSignal): Promise<void> {
    while (this.free === 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.free--;
    try {
      if (signal.aborted) return;
      const started = await this.options.start(wish, () => signal.aborted);
      if (signal.aborted) return await closeTask(started.running);
      this.started.push(started);
      this.options.changed();
    } finally {
      this.free++;
      this.waiting.shift()?.();
    }
  }

  private mayBeOpenedLater(partition: number, error: unknown): boolean {
    const fault = faultOf(error);
    if (fault === "later") {
      this.options.failed(partition, error, false);
      return true;
    }
    if (fault === "task") {
      this.openings.delete(partition);
      this.refuse(partition, error);
    } else {
      this.failure ??= error;
      this.options.changed();
    }
    return false;
  }
}
