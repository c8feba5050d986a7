import type { Row } from "../state/row.ts";
import { Stamped } from "../state/stamped.ts";
import type { DueQueue } from "./due-queue.ts";
import type { TaskClock } from "./task-clock.ts";

/** Removals are done together, at this many times per time to live: few times that are due, and a row that is written often is looked at as often. */
const removalsPerTtl = 64;

/**
 * The time to live of one state: a row is absent from (stream time of its last write) + ttl on, to everyone who reads it. It is removed at the
 * next multiple of ttl/64, so that what is stored is a function of the position too.
 */
export class Expiry {
  private readonly slot: number;
  private readonly ttlMs: number;
  private readonly stepMs: number;
  private readonly clock: TaskClock;
  private readonly queue: DueQueue;

  /** @param queue of what expires, by stream time: not that of timers and windows, which are due by the watermark */
  constructor(slot: number, ttlMs: number, clock: TaskClock, queue: DueQueue) {
    this.slot = slot;
    this.ttlMs = ttlMs;
    this.stepMs = Math.ceil(ttlMs / removalsPerTtl);
    this.clock = clock;
    this.queue = queue;
  }

  /** What a row's content is worth at `timeMs`; without one: to the handler that runs now. */
  alive(stored: unknown, timeMs: number = this.clock.stateTimeMs): unknown {
    if (stored === undefined) return undefined;
    const { writtenMs, value } = stored as Stamped;
    return writtenMs + this.ttlMs <= timeMs ? undefined : value;
  }

  /** @param notBeforeMs it counts as written then at the earliest */
  stamp(value: unknown, notBeforeMs = Number.NEGATIVE_INFINITY): Stamped {
    return new Stamped(Math.max(notBeforeMs, this.clock.stateTimeMs), value);
  }

  /** When a row that was written then is removed, if nobody writes it again. */
  removalMs(writtenMs: number): number {
    return Math.ceil((writtenMs + this.ttlMs) / this.stepMs) * this.stepMs;
  }

  /**
   * Whether a row that is written now has to be armed. One that is written again keeps its entry, which moves on when it comes up: else every write
   * had one. Unless it would come up too late: what a record that is ahead of stream time wrote is followed by what was written before that.
   */
  needsArming({ value, armedMs }: Row, writtenMs: number): boolean {
    if (value !== undefined && !(value instanceof Stamped && writtenMs < value.writtenMs)) return false;
    return !(armedMs !== undefined && armedMs <= this.removalMs(writtenMs));
  }

  /** Lets `id`, whose row it is, come up when it may be removed. */
  arm(row: Row, writtenMs: number, id: string): void {
    row.armedMs = this.removalMs(writtenMs);
    this.queue.add(row.armedMs, this.slot, id);
  }

  /** The same for a row that is only stored. */
  armStored(writtenMs: number, id: string): void {
    this.queue.add(this.removalMs(writtenMs), this.slot, id);
  }
}
