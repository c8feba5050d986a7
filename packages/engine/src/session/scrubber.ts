import { RepriseError } from "@reprise/schema";
import { type Interrupted, Stopped } from "../internal/stopped.ts";
import type { Clock } from "../ports/clock.ts";
import { scanDigest } from "../state/scan-digest.ts";
import { decodeMeta } from "../task/task-meta.ts";
import type { RunningTask } from "./running-task.ts";

export interface ScrubLimits {
  /** From the end of one scrub of a task to the begin of its next; 0: never. */
  readonly scrubIntervalMs: number;
  /** Rows a second, in all. */
  readonly scrubRowsPerSecond: number;
}

export interface ScrubObserver {
  /** Rows that a scrub has read, while it runs. */
  scrubbed(rows: number): void;
  /** The rows of a task's store are those that its digest is of. */
  scrubSucceeded(partition: number, rows: number, durationMs: number): void;
}

/** A task that was just opened has its first scrub after so long, when the interval is not shorter: later than what everybody waits for. */
const firstAfterMs = 60_000;

/**
 * Reads the local stores again and again, one after the other, at a bounded rate, and compares their rows with their digests: what engines don't notice
 * (a file that is gone with its rows, an old one in its place) shows only by a scan. A store that fails is `corrupt` afterwards; the session drops it.
 */
export class Scrubber {
  private readonly limits: ScrubLimits;
  private readonly observer: ScrubObserver;
  private readonly clock: Clock;
  private readonly dueMs = new WeakMap<RunningTask, number>();
  private running: Promise<void> | undefined;

  constructor(limits: ScrubLimits, observer: ScrubObserver, clock: Clock) {
    this.limits = limits;
    this.observer = observer;
    this.clock = clock;
  }

  /** Begins a scrub in the background when one is due and none runs. */
  consider(running: RunningTask, nowMs: number): void {
    const { scrubIntervalMs } = this.limits;
    if (scrubIntervalMs === 0 || this.running !== undefined || running.corrupt !== undefined) return;
    const dueMs = this.dueMs.get(running);
    if (dueMs === undefined) this.dueMs.set(running, nowMs + Math.min(firstAfterMs, scrubIntervalMs));
    else if (nowMs >= dueMs) {
      this.running = this.scrub(running).finally(() => {
        this.running = undefined;
        this.dueMs.set(running, this.clock.elapsedMs() + scrubIntervalMs);
      });
    }
  }

  private async scrub(running: RunningTask): Promise<void> {
    const { partition } = running.task;
    const started = this.clock.elapsedMs();
    try {
      const { rows, fault } = await this.compare(running, () => running.closing);
      if (fault === undefined) this.observer.scrubSucceeded(partition, rows, this.clock.elapsedMs() - started);
      else running.corrupt = fault;
    } catch (error) {
      // Closing a store ends its scans; what else goes wrong with reading is for the task to meet, and to be told of.
      if (!running.closing && RepriseError.is(error) && error.code === "STATE_CORRUPT") running.corrupt = error.message;
    }
  }

  private async compare({ store, task }: RunningTask, interrupted: Interrupted): Promise<{ rows: number; fault?: string }> {
    const scanned = await scanDigest(store.scan({}), task.partition, async (rows) => {
      this.observer.scrubbed(rows);
      if (interrupted()) throw new Stopped();
      await this.clock.sleep((rows / this.limits.scrubRowsPerSecond) * 1000);
    });
    const { digest, rows } = scanned;
    const meta = scanned.meta === undefined ? undefined : decodeMeta(scanned.meta);
    // Nothing was written yet, which is no fault; rows without a position are.
    if (meta === undefined) return rows === 0 ? { rows } : { rows, fault: "its rows have no position" };
    return digest === meta.digest ? { rows } : { rows, fault: `its rows have the digest ${digest}, it says ${meta.digest}` };
  }
}
