import type { SessionDefinition } from "@reprise/processor";
import type { WindowSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { Row } from "../state/row.ts";
import { copyOf } from "./accumulator.ts";
import type { StoredWindow, WindowResult, WindowValues } from "./keyed-window.ts";
import type { WindowParts } from "./make-window.ts";
import { RowWindow } from "./row-window.ts";
import type { MutableWindowRow, WindowRow } from "./window-row.ts";

export interface Session extends WindowRow {
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * Sessions of one declaration: contributions of a key that are at most `gap` apart, [first, last + gap). A session is known by its start: when an
 * earlier contribution moves it, it is another session, and the one that was emitted under the old start is told of as vanished.
 */
export class SessionWindow extends RowWindow {
  protected readonly gapMs: number;
  private readonly maxMs: number;

  constructor(slot: WindowSlot, definition: SessionDefinition, parts: WindowParts) {
    super(slot, parts);
    this.gapMs = definition.gapMs;
    this.maxMs = definition.maxMs ?? Number.POSITIVE_INFINITY;
  }

  add(entry: KeyEntry, values: WindowValues, timeMs: number, late: (start: number, end: number) => void): void {
    const { slot, emission, gapMs } = this;
    const joined = this.joinedBy(entry, timeMs);
    const base = joined[0]?.value as Session | undefined;
    const firstMs = base === undefined ? timeMs : Math.min(timeMs, base.firstMs);
    let lastMs = timeMs;
    for (const { value } of joined) lastMs = Math.max(lastMs, (value as Session).lastMs);
    const end = lastMs + gapMs;
    // Never with a session that is open: it would be over itself.
    if (end + emission.graceMs <= this.clock.watermarkMs) {
      late(firstMs, end);
      return;
    }
    const next: MutableWindowRow = copyOf(base ?? slot.layout.empty);
    for (let i = 1; i < joined.length; i++) slot.layout.merge(next, (joined[i] as Row).value as Session);
    slot.layout.add(next, values, timeMs);
    next.firstMs = firstMs;
    next.lastMs = lastMs;
    if (base !== undefined && base.firstMs === firstMs) next.emittedAtMs = base.emittedAtMs;
    else {
      next.revision = 0;
      next.emitted = undefined;
    }
    let dueBefore = Number.POSITIVE_INFINITY;
    for (const row of joined) {
      const value = row.value as Session;
      const endBefore = value.lastMs + gapMs;
      // What is emitted when its handler has returned is in the queue for its end only.
      dueBefore = Math.min(dueBefore, emission.atOnce(value) ? endBefore + emission.graceMs : emission.dueOf(value, endBefore));
      if (value.firstMs === firstMs) continue;
      this.vanish(entry, value);
      this.state.set(row, undefined);
    }
    const row = base?.firstMs === firstMs ? (joined[0] as Row) : this.state.row(entry, slot.slot, this.ids.id(firstMs));
    this.state.set(row, next);
    this.attend(entry, next as Session, firstMs, end, dueBefore);
  }

  /**
   * The open sessions that a contribution makes one, by start. When `max` does not let it join all that it is within `gap` of, the nearest come
   * first; of those as near, the earlier.
   */
  private joinedBy(entry: KeyEntry, timeMs: number): Row[] {
    const { gapMs, maxMs, emission } = this;
    const { watermarkMs } = this.clock;
    const near: Row[] = [];
    for (const row of this.rows(entry).values()) {
      const session = row.value as Session | undefined;
      if (session === undefined || timeMs < session.firstMs - gapMs || timeMs > session.lastMs + gapMs) continue;
      if (session.lastMs + gapMs + emission.graceMs > watermarkMs) near.push(row);
    }
    if (near.length === 0 || (near.length === 1 && maxMs === Number.POSITIVE_INFINITY)) return near;
    const distance = ({ firstMs, lastMs }: Session): number => Math.max(0, firstMs - timeMs, timeMs - lastMs);
    near.sort(({ value: a }, { value: b }) => {
      const [x, y] = [a as Session, b as Session];
      return distance(x) - distance(y) || x.firstMs - y.firstMs;
    });
    let first = timeMs;
    let last = timeMs;
    const joined = near.filter(({ value }) => {
      const { firstMs, lastMs } = value as Session;
      if (Math.max(last, lastMs) - Math.min(first, firstMs) > maxMs) return false;
      first = Math.min(first, firstMs);
      last = Math.max(last, lastMs);
      return true;
    });
    return joined.sort(({ value: a }, { value: b }) => (a as Session).firstMs - (b as Session).firstMs);
  }

  /** Tells of a session that was emitted and is none any more. */
  protected vanish(entry: KeyEntry, session: Session): void {
    const { emit } = this.emission;
    if ((emit !== "end" && emit !== "change") || session.emitted === undefined) return;
    const { layout } = this.slot;
    this.changes.addGiven(this, entry, session.firstMs, {
      start: session.firstMs,
      end: session.lastMs + this.gapMs,
      result: layout.result(layout.empty),
      previous: layout.result(session.emitted),
      revision: session.revision + 1,
      final: true,
    });
  }

  current(entry: KeyEntry, timeMs: number): WindowResult | undefined {
    let found: Session | undefined;
    for (const { value } of this.rows(entry).values()) {
      const session = value as Session | undefined;
      if (session !== undefined && this.holds(session, timeMs) && !(found !== undefined && found.firstMs > session.firstMs))
        found = session;
    }
    return found === undefined ? undefined : this.slot.layout.result(found);
  }

  committedAt(key: Buffer, timeMs: number): StoredWindow | undefined {
    const found = this.committedHolding(key, timeMs);
    return found === undefined ? undefined : this.stored(found.firstMs, found);
  }

  protected committedHolding(key: Buffer, timeMs: number): Session | undefined {
    let found: Session | undefined;
    for (const { value } of this.state.committedRows(this.slot.slot, key))
      if (this.holds(value as Session, timeMs)) found = value as Session;
    return found;
  }

  protected holds({ firstMs, lastMs }: Session, timeMs: number): boolean {
    return firstMs <= timeMs && timeMs < lastMs + this.gapMs;
  }

  protected endOf(_start: number, row: WindowRow): number {
    return (row as Session).lastMs + this.gapMs;
  }
}
