import type { JoinDefinition } from "@reprise/processor";
import { RepriseError, type SchemaRuntime, schemaRuntime } from "@reprise/schema";
import type { WindowSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { Row } from "../state/row.ts";
import type { TaskState } from "../state/task-state.ts";
import type { DueQueue } from "../time/due-queue.ts";
import type { TaskClock } from "../time/task-clock.ts";
import type { ChangeList } from "./change-list.ts";
import { endOfIdsAt, JoinRow, joinRowId, type JoinSide, numberOfJoinRow, timeOfJoinRow } from "./join-row.ts";
import type { DueWindow, EmitWindow, EmittingWindow } from "./keyed-window.ts";
import type { WindowParts } from "./make-window.ts";

/**
 * A join of two streams: each contribution is a row (slot, key, side, time, number), and waits from its arrival until the watermark reaches its
 * time + `within` + 1 ms + grace. One that comes is given with each of the other side that waits and is at most `within` away. In the queue a key
 * stands under the times at which waits of its contributions are over.
 */
export class JoinWindow implements EmittingWindow {
  readonly slot: WindowSlot;
  private readonly state: TaskState;
  private readonly queue: DueQueue;
  private readonly clock: TaskClock;
  private readonly changes: ChangeList;
  private readonly schemas: { readonly [S in JoinSide]: SchemaRuntime<unknown> };
  /** Whether what never matched is told of. */
  private readonly tells: { readonly [S in JoinSide]: boolean };
  private readonly withinMs: number;
  /** How long the watermark has to come after a contribution's time. */
  private readonly waitMs: number;

  constructor(slot: WindowSlot, definition: JoinDefinition, { state, queue, clock, changes }: WindowParts) {
    const { left, right, unmatched, withinMs, graceMs } = definition;
    this.slot = slot;
    this.state = state;
    this.queue = queue;
    this.clock = clock;
    this.changes = changes;
    this.schemas = { left: schemaRuntime(left), right: schemaRuntime(right) };
    this.tells = { left: unmatched === "left" || unmatched === "both", right: unmatched === "right" || unmatched === "both" };
    this.withinMs = withinMs;
    this.waitMs = withinMs + 1 + graceMs;
  }

  /**
   * Takes a contribution, and lists its pairs to be emitted when the handler that runs has returned. False: it is late.
   * @throws RepriseError SCHEMA_INVALID
   */
  add(entry: KeyEntry, side: JoinSide, value: unknown, timeMs: number): boolean {
    const { state, clock, withinMs, waitMs, tells } = this;
    const { slot } = this.slot;
    if (this.overMs(timeMs) <= clock.watermarkMs) return false;
    const bytes = this.encode(side, value);
    const other = side === "left" ? "right" : "left";
    // What comes before has waited long enough, and is only there until its turn to be told of.
    const fromMs = Math.max(timeMs - withinMs, clock.watermarkMs - waitMs);
    let matched = false;
    for (const row of state.loadedRows(entry, slot, joinRowId(other, fromMs, 0), endOfIdsAt(other, timeMs + withinMs))) {
      const partner = row.value as JoinRow | undefined;
      const partnerMs = timeOfJoinRow(row.subkey as Buffer);
      if (partner === undefined || this.overMs(partnerMs) <= clock.watermarkMs) continue;
      if (tells[other] && !partner.matched) state.set(row, new JoinRow(true, partner.bytes));
      matched = true;
      const own = this.decode(side, bytes);
      const theirs = this.decode(other, partner.bytes);
      const pair = side === "left" ? { left: own, right: theirs } : { left: theirs, right: own };
      const lastMs = Math.max(timeMs, partnerMs);
      this.changes.addGiven(this, entry, 0, given(pair, Math.min(timeMs, partnerMs), lastMs, lastMs));
    }
    state.set(state.row(entry, slot, this.newId(entry, side, timeMs)), new JoinRow(matched && tells[side], bytes));
    this.queue.add(this.overMs(timeMs), slot * 2, entry.id);
    return true;
  }

  /** What waits for one time and is in no pair is of one side: two of both would be a pair. */
  fire(entry: KeyEntry, dueMs: number, _phase: number, emit: EmitWindow): boolean {
    return this.tellOf("left", entry, dueMs, emit) && this.tellOf("right", entry, dueMs, emit);
  }

  private tellOf(side: JoinSide, entry: KeyEntry, dueMs: number, emit: EmitWindow): boolean {
    for (const row of this.overAt(entry, side, dueMs)) {
      const { matched, bytes } = row.value as JoinRow;
      this.state.set(row, undefined);
      if (matched || !this.tells[side]) continue;
      const timeMs = timeOfJoinRow(row.subkey as Buffer);
      const value = this.decode(side, bytes);
      const alone = side === "left" ? { left: value, right: null } : { left: null, right: value };
      if (!emit(given(alone, timeMs, timeMs, timeMs + this.withinMs))) return false;
    }
    return true;
  }

  restore(keyId: string, subkey: Buffer): void {
    this.queue.add(this.overMs(timeOfJoinRow(subkey)), this.slot.slot * 2, keyId);
  }

  /** The watermark at which a contribution of this time can match nothing any more. */
  private overMs(timeMs: number): number {
    return timeMs + this.waitMs;
  }

  /** The contributions whose wait is over at exactly `dueMs`, in the order of their arrival. */
  private overAt(entry: KeyEntry, side: JoinSide, dueMs: number): Row[] {
    // Fractions of a millisecond may not come back as they were.
    const aboutMs = dueMs - this.waitMs;
    const slackMs = 4 * Number.EPSILON * (Math.abs(dueMs) + this.waitMs);
    const rows: Row[] = [];
    for (const row of this.state.loadedRows(
      entry,
      this.slot.slot,
      joinRowId(side, aboutMs - slackMs, 0),
      endOfIdsAt(side, aboutMs + slackMs),
    ))
      if (row.value !== undefined && this.overMs(timeOfJoinRow(row.subkey as Buffer)) === dueMs) rows.push(row);
    return rows;
  }

  /** The id of one more contribution of this side and time: behind those that are there. */
  private newId(entry: KeyEntry, side: JoinSide, timeMs: number): string {
    const { state } = this;
    const { slot } = this.slot;
    const first = joinRowId(side, timeMs, 0);
    if (state.rowsOf(entry, slot).get(first)?.value === undefined) return first;
    for (const row of state.loadedRows(entry, slot, first, endOfIdsAt(side, timeMs), true))
      if (row.value !== undefined) return joinRowId(side, timeMs, numberOfJoinRow(row.subkey as Buffer) + 1);
    return first;
  }

  private encode(side: JoinSide, value: unknown): Buffer {
    try {
      return this.schemas[side].encode(value);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new RepriseError("SCHEMA_INVALID", `window ${this.slot.name}: ${side}: ${reason}`, { cause });
    }
  }

  private decode(side: JoinSide, bytes: Buffer): unknown {
    return this.schemas[side].decode(bytes, 0, bytes.length);
  }
}

/** What the handler gets: a pair, or one that stayed alone; its window spans their times. */
function given(
  result: { readonly left: unknown; readonly right: unknown },
  firstMs: number,
  lastMs: number,
  timestampMs: number,
): DueWindow {
  return { start: firstMs, end: lastMs + 1, timestampMs, result, previous: undefined, revision: 1, final: true };
}
