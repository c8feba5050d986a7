import { latin1 } from "../internal/latin1.ts";
import { RepriseError } from "@reprise/schema";
import { type Duration, parseDuration } from "@reprise/schema";
import type { TimerSlot } from "../definition/compiled-slot.ts";
import type { Row } from "../state/row.ts";
import type { TaskState } from "../state/task-state.ts";
import { joinId } from "../time/due-id.ts";
import type { DueQueue } from "../time/due-queue.ts";
import type { Frame } from "./frame.ts";

/** `ctx.timers.<name>`, one per key. Its row holds the due time; the queue entry of a moved or cancelled timer is skipped when it comes up. */
export class TimerHandle {
  protected readonly slot: TimerSlot;
  protected readonly state: TaskState;
  protected readonly frame: Frame;
  protected readonly queue: DueQueue;

  constructor(slot: TimerSlot, state: TaskState, frame: Frame, queue: DueQueue) {
    this.slot = slot;
    this.state = state;
    this.frame = frame;
    this.queue = queue;
  }

  at(timeMs: number): void {
    this.schedule(this.state.single(this.frame.live().entry, this.slot.slot), timeMs, this.frame.entry.id);
  }

  after(duration: Duration): void {
    this.at(this.frame.live().timestampMs + parseDuration(duration));
  }

  cancel(): void {
    const row = this.state.single(this.frame.live().entry, this.slot.slot);
    if (row.value !== undefined) this.state.set(row, undefined);
  }

  due(): number | undefined {
    return this.state.single(this.frame.live().entry, this.slot.slot).value as number | undefined;
  }

  protected schedule(row: Row, timeMs: number, id: string): void {
    if (typeof timeMs !== "number" || !Number.isFinite(timeMs)) {
      throw new RepriseError("INVALID_ARGUMENT", `timer ${this.slot.name}: a time in epoch ms was expected, got ${String(timeMs)}`);
    }
    const before = row.value as number | undefined;
    if (before === timeMs) return;
    this.state.set(row, timeMs);
    // Moved further away: its entry in the queue stays, and moves on when it comes up. A timer that every record moves, or cancels and sets, would
    // else have an entry for each record.
    if ((before !== undefined && before < timeMs) || (row.armedMs !== undefined && row.armedMs <= timeMs)) return;
    row.armedMs = timeMs;
    this.queue.add(timeMs, this.slot.slot * 2, id);
  }
}

/** `ctx.timers.<name>`, one per key and id. */
export class TimersById {
  private readonly slot: TimerSlot;
  private readonly state: TaskState;
  private readonly frame: Frame;
  private readonly one: Scheduler;

  constructor(slot: TimerSlot, state: TaskState, frame: Frame, queue: DueQueue) {
    this.slot = slot;
    this.state = state;
    this.frame = frame;
    this.one = new Scheduler(slot, state, frame, queue);
  }

  at(id: unknown, timeMs: number): void {
    const subkey = this.subkey(id);
    this.one.put(this.state.row(this.frame.live().entry, this.slot.slot, subkey), timeMs, joinId(this.frame.entry.id, subkey));
  }

  after(id: unknown, duration: Duration): void {
    this.at(id, this.frame.live().timestampMs + parseDuration(duration));
  }

  cancel(id: unknown): void {
    const row = this.state.row(this.frame.live().entry, this.slot.slot, this.subkey(id));
    if (row.value !== undefined) this.state.set(row, undefined);
  }

  due(id: unknown): number | undefined {
    return this.state.row(this.frame.live().entry, this.slot.slot, this.subkey(id)).value as number | undefined;
  }

  private subkey(id: unknown): string {
    return latin1((this.slot.id as NonNullable<TimerSlot["id"]>).encode(id));
  }
}

class Scheduler extends TimerHandle {
  put(row: Row, timeMs: number, id: string): void {
    this.schedule(row, timeMs, id);
  }
}
