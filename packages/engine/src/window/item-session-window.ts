import type { SessionDefinition } from "@reprise/processor";
import type { WindowItemsSlot, WindowSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { Row } from "../state/row.ts";
import { copyOf } from "./accumulator.ts";
import { encodeContribution } from "./contribution-codec.ts";
import { contentsBetween, contentsWithin, ItemContent } from "./item-rows.ts";
import type { DueWindow, EmitWindow, StoredWindow, WindowRange, WindowResult, WindowValues } from "./keyed-window.ts";
import { takeAnew } from "./made-anew.ts";
import type { WindowParts } from "./make-window.ts";
import { type Session, SessionWindow } from "./session-window.ts";
import { type Item, WindowItems } from "./window-items.ts";
import type { MutableWindowRow } from "./window-row.ts";

/** What a session is to be: from its first to its last item. */
interface Span {
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
  /** What it has taken, its own to change; undefined: to be made anew from its items. */
  readonly taken: MutableWindowRow | undefined;
}

/**
 * Sessions whose contributions have an id, by which they are replaced and withdrawn: those that the items of now make. An item that goes may move an end
 * of its session or split it. Items are those of open sessions, whose spans never overlap, so that those of a session are one range; a closed one
 * is settled, and its items go, before anything of its key is changed.
 */
export class ItemSessionWindow extends SessionWindow {
  private readonly items: WindowItems;
  private readonly fields: readonly string[];

  constructor(slot: WindowSlot, definition: SessionDefinition, parts: WindowParts) {
    super(slot, definition, parts);
    this.items = new WindowItems(slot.items as WindowItemsSlot, parts.state, slot.name);
    this.fields = Object.keys(definition.aggregate);
  }

  override add(): never {
    throw new Error(`contributions to window ${this.slot.name} have an id`);
  }

  /**
   * Lets the item of this id be this one; the one before goes from its open session. Calls `late`, when that is done, if the session that it would
   * belong to is closed. What is there already changes nothing.
   * @throws RepriseError SCHEMA_INVALID naming the window and what does not fit · what an own fold throws
   */
  put(entry: KeyEntry, givenId: unknown, values: WindowValues, at: number, late: (start: number, end: number) => void): void {
    const { state, items } = this;
    // −0 is stored as 0.
    const timeMs = at + 0;
    const id = items.idOf(givenId);
    const content = new ItemContent(id, 0, encodeContribution(values, this.fields, this.slot.name));
    this.releaseClosed(entry);
    const before = items.find(entry, id);
    if (before !== undefined && before.place.timeMs === timeMs && before.content.values.equals(content.values)) return;
    const savepoint = state.savepoint;
    let missed: Span | undefined;
    try {
      missed = this.exchange(entry, before, content, values, timeMs);
    } catch (error) {
      // The handler may go on. No session was changed yet.
      state.undo(savepoint);
      throw error;
    }
    // Not before: who is told of it may put the same item elsewhere.
    if (missed !== undefined) late(missed.firstMs, missed.lastMs + this.gapMs);
  }

  /** Takes the item out of its open session. False: there is none of this id. @throws RepriseError SCHEMA_INVALID naming the window */
  withdraw(entry: KeyEntry, givenId: unknown): boolean {
    const id = this.items.idOf(givenId);
    this.releaseClosed(entry);
    const item = this.items.find(entry, id);
    if (item === undefined) return false;
    const session = this.sessionAt(entry, item.place.timeMs);
    this.become(entry, [session], this.takeOut(entry, session, item));
    return true;
  }

  /** Returns the closed session that the item came too late for. */
  private exchange(
    entry: KeyEntry,
    before: Item | undefined,
    content: ItemContent,
    values: WindowValues,
    timeMs: number,
  ): Span | undefined {
    const { layout } = this.slot;
    const had = before === undefined ? undefined : this.sessionAt(entry, before.place.timeMs);
    const left = had === undefined ? [] : this.takeOut(entry, had, before as Item);
    const touched = this.openSessions(entry).filter((one) => one !== had && this.touches(one, timeMs));
    const joined = [...touched, ...left.filter((one) => this.touches(one, timeMs))];
    const whole = { firstMs: timeMs, lastMs: timeMs, count: 1 };
    for (const { firstMs, lastMs, count } of joined) {
      whole.firstMs = Math.min(whole.firstMs, firstMs);
      whole.lastMs = Math.max(whole.lastMs, lastMs);
      whole.count += count;
    }
    const changed = had === undefined ? touched : [had, ...touched];
    // Never with a session that is open and stays as it was: it would be over itself.
    if (this.isClosed(whole)) {
      this.become(entry, changed, left);
      return { ...whole, taken: undefined };
    }
    this.items.store(entry, timeMs, content);
    const only = touched.length === 1 && joined.length === 1 && touched[0]?.stale !== true ? touched[0] : undefined;
    // Also when it is made anew later: what does not fit is to be told of by who gave it.
    const taken: MutableWindowRow = copyOf(only ?? layout.empty);
    layout.add(taken, values, timeMs);
    const known = only !== undefined || joined.length === 0;
    this.become(entry, changed, [...left.filter((one) => !joined.includes(one)), { ...whole, taken: known ? taken : undefined }]);
    return undefined;
  }

  /** Drops an item. Returns what that leaves of its session: nothing, one, or two that are more than `gap` apart. */
  private takeOut(entry: KeyEntry, { firstMs, lastMs, count }: Session, item: Item): Span[] {
    const { items } = this;
    const { timeMs } = item.place;
    items.drop(entry, item);
    if (count === 1) return [];
    const earlier = contentsBetween(firstMs, timeMs);
    const before = firstOf(items.current(entry, { ...earlier, reverse: true }))?.place.timeMs;
    const after = firstOf(items.current(entry, contentsWithin(timeMs, lastMs)))?.place.timeMs;
    if (before === undefined || after === undefined || after - before <= this.gapMs)
      return [
        {
          firstMs: before === undefined ? (after as number) : firstMs,
          lastMs: after === undefined ? (before as number) : lastMs,
          count: count - 1,
          taken: undefined,
        },
      ];
    let fewer = 0;
    for (const _ of items.current(entry, earlier)) fewer++;
    return [
      { firstMs, lastMs: before, count: fewer, taken: undefined },
      { firstMs: after, lastMs, count: count - 1 - fewer, taken: undefined },
    ];
  }

  /** Lets these open sessions be those instead. What begins where one of them began goes on as that one. */
  private become(entry: KeyEntry, sessions: readonly Session[], spans: readonly Span[]): void {
    const { slot, emission, state, gapMs } = this;
    let dueBefore = Number.POSITIVE_INFINITY;
    for (const session of sessions) {
      const end = session.lastMs + gapMs;
      // What is emitted when its handler has returned is in the queue for its end only.
      dueBefore = Math.min(dueBefore, emission.atOnce(session) ? end + emission.graceMs : emission.dueOf(session, end));
      if (spans.some(({ firstMs }) => firstMs === session.firstMs)) continue;
      this.vanish(entry, session);
      state.set(this.rowAt(entry, session.firstMs), undefined);
    }
    for (const { firstMs, lastMs, count, taken } of spans) {
      const next: MutableWindowRow = taken ?? copyOf(slot.layout.empty);
      const same = sessions.find((one) => one.firstMs === firstMs);
      next.count = count;
      next.revision = same?.revision ?? 0;
      next.emitted = same?.emitted;
      next.emittedAtMs = same?.emittedAtMs;
      next.firstMs = firstMs;
      next.lastMs = lastMs;
      next.changed = true;
      next.stale = taken === undefined;
      const row = this.rowAt(entry, firstMs);
      if (same === undefined) this.giveClosed(row);
      state.set(row, next);
      this.attend(entry, next as Session, firstMs, lastMs + gapMs, dueBefore);
      // One that closes waits for no throttle.
      if (emission.emit === "change" && this.isClosed({ lastMs })) this.changes.add(this, entry, firstMs);
    }
  }

  /** A closed session that is still to be emitted, in whose place another one begins, is emitted when the handler that runs has returned. */
  private giveClosed(row: Row): void {
    const closed = row.value as Session | undefined;
    if (closed === undefined || !this.emission.pending(closed)) return;
    this.changes.addGiven(this, row.entry, closed.firstMs, this.emission.due(closed, closed.firstMs, closed.lastMs + this.gapMs));
  }

  private rowAt(entry: KeyEntry, firstMs: number): Row {
    return this.state.row(entry, this.slot.slot, this.ids.id(firstMs));
  }

  /** Those whose items are there. */
  private openSessions(entry: KeyEntry): Session[] {
    const out: Session[] = [];
    for (const { value } of this.rows(entry).values())
      if (value !== undefined && (value as Session).released !== true) out.push(value as Session);
    return out;
  }

  /** The open session of an item. */
  private sessionAt(entry: KeyEntry, timeMs: number): Session {
    return this.openSessions(entry).find(({ firstMs, lastMs }) => firstMs <= timeMs && timeMs <= lastMs) as Session;
  }

  private touches({ firstMs, lastMs }: { firstMs: number; lastMs: number }, timeMs: number): boolean {
    return timeMs >= firstMs - this.gapMs && timeMs <= lastMs + this.gapMs;
  }

  private isClosed({ lastMs }: { lastMs: number }): boolean {
    return lastMs + this.gapMs + this.emission.graceMs <= this.clock.watermarkMs;
  }

  /** Closed sessions stay what they are, whatever comes. */
  private releaseClosed(entry: KeyEntry): void {
    for (const row of this.rows(entry).values()) {
      const session = row.value as Session | undefined;
      if (session !== undefined && session.released !== true && this.isClosed(session)) this.release(row);
    }
  }

  /** Drops the items of a session that is closed, and the session too when it is neither to be emitted nor to be read. */
  private release(row: Row): void {
    const { emission, items } = this;
    const session = row.value as Session;
    const own = [...items.current(row.entry, contentsWithin(session.firstMs, session.lastMs))];
    const needed = emission.keepMs > 0 || emission.pending(session);
    const next = needed ? this.madeAnew(session, own) : undefined;
    if (next !== undefined) next.released = true;
    for (const item of own) items.drop(row.entry, item);
    this.state.set(row, next);
  }

  /** The row as its items have it, also in the state. */
  private settled(row: Row): Session {
    const session = row.value as Session;
    if (session.stale !== true) return session;
    const next = this.madeAnew(session, this.items.current(row.entry, contentsWithin(session.firstMs, session.lastMs)));
    this.state.set(row, next);
    return next as Session;
  }

  /** @throws RepriseError HANDLER_FAILED when an own fold throws · STATE_CORRUPT */
  private madeAnew(session: Session, among: Iterable<Item>): MutableWindowRow {
    const { slot, emission } = this;
    const next: MutableWindowRow = copyOf(session.stale === true ? slot.layout.empty : session);
    if (session.stale === true) {
      next.revision = session.revision;
      next.emitted = session.emitted;
      takeAnew(next, [...among], session.count, slot, this.fields, session.firstMs);
    }
    emission.carry(session, next);
    next.changed = session.changed;
    return next;
  }

  protected override take(row: Row, start: number, end: number, kept: boolean): DueWindow {
    this.settled(row);
    return super.take(row, start, end, kept);
  }

  override fire(entry: KeyEntry, dueMs: number, phase: number, emit: EmitWindow): boolean {
    this.releaseClosed(entry);
    return super.fire(entry, dueMs, phase, emit);
  }

  override current(entry: KeyEntry, timeMs: number): WindowResult | undefined {
    let found: Row | undefined;
    for (const row of this.rows(entry).values()) {
      const session = row.value as Session | undefined;
      if (session === undefined || !this.holds(session, timeMs) || !this.canBeRead(session)) continue;
      if (found === undefined || (found.value as Session).firstMs < session.firstMs) found = row;
    }
    return found === undefined ? undefined : this.slot.layout.result(this.settled(found));
  }

  /** One may be over because of what its handler has just removed. */
  private canBeRead({ lastMs }: Session): boolean {
    const { graceMs, keepMs } = this.emission;
    return this.clock.watermarkMs < lastMs + this.gapMs + graceMs + keepMs;
  }

  override *committed(key: Buffer, { from, to }: WindowRange): Generator<StoredWindow> {
    for (const { value } of this.state.committedRows(this.slot.slot, key)) {
      const { firstMs } = value as Session;
      if (firstMs >= from && firstMs < to) yield this.readable(key, value as Session);
    }
  }

  override committedAt(key: Buffer, timeMs: number): StoredWindow | undefined {
    const found = this.committedHolding(key, timeMs);
    return found === undefined ? undefined : this.readable(key, found);
  }

  private readable(key: Buffer, session: Session): StoredWindow {
    const items = (): Iterable<Item> => this.items.committed(key, contentsWithin(session.firstMs, session.lastMs));
    return this.stored(session.firstMs, session.stale === true ? (this.madeAnew(session, items()) as Session) : session);
  }
}

function firstOf<T>(values: Iterable<T>): T | undefined {
  for (const value of values) return value;
  return undefined;
}
