import type { WindowItemsSlot, WindowSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { Row } from "../state/row.ts";
import type { SubkeyRange } from "../state/task-state.ts";
import { copyOf } from "./accumulator.ts";
import { AlignedWindow } from "./aligned-window.ts";
import type { AlignedDefinition } from "./bounds.ts";
import { encodeContribution } from "./contribution-codec.ts";
import { allContents, contentsBetween, ItemContent } from "./item-rows.ts";
import type { DueWindow, EmitWindow, StoredWindow, WindowRange, WindowResult, WindowValues } from "./keyed-window.ts";
import { takeAnew } from "./made-anew.ts";
import type { WindowParts } from "./make-window.ts";
import { type Item, WindowItems } from "./window-items.ts";
import type { MutableWindowRow, WindowRow } from "./window-row.ts";

/**
 * Windows whose contributions have an id, by which they are replaced and withdrawn. A window is what it would be had it taken its items of now only, in
 * the order of their puts: a new item is added to its row, and one that goes makes the row stale, to be made anew from its items when it is emitted or
 * read. A row knows whether it was changed since it was emitted, as counts do not tell. Items go when the last window that has them closes.
 */
export class ItemWindow extends AlignedWindow {
  private readonly items: WindowItems;
  private readonly fields: readonly string[];
  private readonly forEver: boolean;
  /** Of the windows that hold a time, `current` gives the one that begins so far before the last. */
  private readonly currentBeforeMs: number;

  constructor(slot: WindowSlot, definition: AlignedDefinition, parts: WindowParts) {
    super(slot, definition, parts);
    this.items = new WindowItems(slot.items as WindowItemsSlot, parts.state, slot.name);
    this.fields = Object.keys(definition.aggregate);
    this.forEver = definition.type === "global";
    this.currentBeforeMs = definition.type === "rolling" ? definition.sizeMs - definition.stepMs : 0;
  }

  override add(): never {
    throw new Error(`contributions to window ${this.slot.name} have an id`);
  }

  /**
   * Lets the item of this id be this one, in the open windows that hold its time; the one before goes from the open windows that have it. Calls `late`,
   * before anything is changed, for each closed window that would have to change, by start. What is there already changes nothing.
   * @throws RepriseError SCHEMA_INVALID naming the window and what does not fit · what an own fold throws
   */
  put(entry: KeyEntry, givenId: unknown, values: WindowValues, at: number, late: (start: number, end: number) => void): void {
    const { slot, items } = this;
    // −0 is stored as 0.
    const timeMs = at + 0;
    const id = items.idOf(givenId);
    const bytes = encodeContribution(values, this.fields, slot.name);
    const before = this.known(entry, id);
    if (before !== undefined && before.place.timeMs === timeMs && before.content.values.equals(bytes)) return;
    const starts = this.startsOf(timeMs);
    const after = starts.filter((start) => !this.isClosed(start));
    const missed = [...starts, ...(before === undefined ? [] : this.startsWith(before))].filter((start) => this.isClosed(start));
    const { state, changes } = this;
    const savepoint = state.savepoint;
    const changesBefore = changes.size;
    try {
      this.exchange(entry, before, after, new ItemContent(id, after[0] ?? 0, bytes), values, timeMs);
    } catch (error) {
      // The handler may go on.
      state.undo(savepoint);
      changes.undo(changesBefore);
      throw error;
    }
    // Not before: who is told of it may put the same item elsewhere.
    if (missed.length > 0) for (const start of new Set(missed.sort((a, b) => a - b))) late(start, this.bounds.endOf(start));
  }

  /** @param before what goes @param after the open windows that hold the time of what comes; none: nothing comes */
  private exchange(
    entry: KeyEntry,
    before: Item | undefined,
    after: readonly number[],
    content: ItemContent,
    values: WindowValues,
    timeMs: number,
  ): void {
    const { layout } = this.slot;
    // What does not fit is to be told of by who gave it, not when a window is made anew.
    if (before !== undefined || after.some((start) => this.rowAt(entry, start)?.stale === true))
      layout.add(copyOf(layout.empty), values, timeMs);
    const changed = before === undefined ? [] : this.takeOut(entry, before, after);
    if (after.length === 0) return;
    this.items.store(entry, timeMs, content);
    for (const start of after) if (!changed.includes(start)) this.include(entry, start, values, timeMs);
  }

  /** Takes the item out of the open windows that have it. False: there is none of this id. @throws RepriseError SCHEMA_INVALID naming the window */
  withdraw(entry: KeyEntry, givenId: unknown): boolean {
    const before = this.known(entry, this.items.idOf(givenId));
    if (before === undefined) return false;
    this.takeOut(entry, before, []);
    return true;
  }

  /** The item of an id, while a window that has it is open. */
  private known(entry: KeyEntry, id: string): Item | undefined {
    const item = this.items.find(entry, id);
    if (item === undefined || !this.isClosed(this.bounds.lastStart(item.place.timeMs))) return item;
    // All its windows are over, and what closes them has not come up yet.
    this.settleClosed(entry, item);
    this.items.drop(entry, item);
    return undefined;
  }

  /** @param again the windows that get another one in its place. Returns the open windows that had it. */
  private takeOut(entry: KeyEntry, item: Item, again: readonly number[]): number[] {
    this.settleClosed(entry, item);
    this.items.drop(entry, item);
    const open = this.startsWith(item).filter((start) => !this.isClosed(start));
    for (const start of open) this.outdate(entry, start, again.includes(start) ? 0 : 1);
    return open;
  }

  /** A closed window that has not fired yet stays what it is, whatever becomes of its items. */
  private settleClosed(entry: KeyEntry, item: Item): void {
    for (const start of this.startsWith(item)) {
      const row = this.isClosed(start) ? this.rows(entry).get(this.ids.id(start)) : undefined;
      if (row?.value !== undefined) this.settled(row, start);
    }
  }

  private include(entry: KeyEntry, start: number, values: WindowValues, timeMs: number): void {
    const row = this.rowOf(entry, start);
    const before = row.value as WindowRow | undefined;
    let next: MutableWindowRow;
    if (before?.stale === true) next = this.staleRow(before, before.count + 1);
    else {
      next = copyOf(before ?? this.slot.layout.empty);
      if (before !== undefined) this.emission.carry(before, next);
      this.slot.layout.add(next, values, timeMs);
      next.changed = true;
    }
    this.store(entry, row, before, next, start, this.bounds.endOf(start));
  }

  private outdate(entry: KeyEntry, start: number, fewer: number): void {
    const row = this.rowOf(entry, start);
    const before = row.value as WindowRow;
    const next = this.staleRow(before, before.count - fewer);
    // What ends goes when it ends; what does not would stay for ever.
    if (this.forEver && next.count === 0 && before.emitted === undefined) this.state.set(row, undefined);
    else this.store(entry, row, before, next, start, this.bounds.endOf(start));
  }

  private staleRow(before: WindowRow, count: number): MutableWindowRow {
    const next: MutableWindowRow = copyOf(this.slot.layout.empty);
    next.count = count;
    next.revision = before.revision;
    next.emitted = before.emitted;
    this.emission.carry(before, next);
    next.changed = true;
    next.stale = count > 0;
    return next;
  }

  /** The row as its items have it, also in the state. */
  private settled(row: Row, start: number): WindowRow {
    const value = row.value as WindowRow;
    if (value.stale !== true) return value;
    const next = this.madeAnew(value, this.items.current(row.entry, this.rangeOf(start)), start);
    this.state.set(row, next);
    return next;
  }

  /** @throws RepriseError HANDLER_FAILED when an own fold throws · STATE_CORRUPT */
  private madeAnew(row: WindowRow, among: Iterable<Item>, start: number): WindowRow {
    const next: MutableWindowRow = this.staleRow(row, 0);
    next.changed = row.changed;
    const own = [...among].filter(({ content }) => content.firstStart <= start);
    takeAnew(next, own, row.count, this.slot, this.fields, start);
    return next;
  }

  private startsOf(timeMs: number): number[] {
    const { bounds } = this;
    const { everyMs } = bounds;
    const starts = [bounds.lastStart(timeMs)];
    if (everyMs !== undefined)
      for (let start = (starts[0] as number) - everyMs; bounds.endOf(start) > timeMs; start -= everyMs) starts.unshift(start);
    return starts;
  }

  /** Of the windows that have the item, or had it when they closed. */
  private startsWith({ place, content }: Item): number[] {
    return this.startsOf(place.timeMs).filter((start) => start >= content.firstStart);
  }

  private isClosed(start: number): boolean {
    return this.bounds.endOf(start) + this.emission.graceMs <= this.clock.watermarkMs;
  }

  /** Where the items of a window are, and perhaps some that were late for it. */
  private rangeOf(start: number): SubkeyRange {
    return this.forEver ? allContents : contentsBetween(start, this.bounds.endOf(start));
  }

  private rowAt(entry: KeyEntry, start: number): WindowRow | undefined {
    return this.rows(entry).get(this.ids.id(start))?.value as WindowRow | undefined;
  }

  protected override take(row: Row, start: number, end: number, kept: boolean): DueWindow {
    this.settled(row, start);
    return super.take(row, start, end, kept);
  }

  override fire(entry: KeyEntry, dueMs: number, phase: number, emit: EmitWindow): boolean {
    if (!super.fire(entry, dueMs, phase, emit)) return false;
    const { emission, bounds } = this;
    if (phase === 0 && emission.emit !== "final" && !this.throttled) return true;
    // One that is not emitted and kept is still to be read when its items are gone.
    const closed = emission.keepMs > 0 ? this.rowEnding(entry, dueMs - emission.graceMs) : undefined;
    if (closed?.value !== undefined) this.settled(closed, bounds.startOfEnd(dueMs - emission.graceMs));
    this.forget(entry, dueMs);
    return true;
  }

  /** Drops the items whose last window closed at or before `dueMs`. Those of earlier times have closed earlier. */
  private forget(entry: KeyEntry, dueMs: number): void {
    const { bounds, emission, items } = this;
    const gone: Item[] = [];
    for (const item of items.current(entry)) {
      if (bounds.endOf(bounds.lastStart(item.place.timeMs)) + emission.graceMs > dueMs) break;
      gone.push(item);
    }
    for (const item of gone) items.drop(entry, item);
  }

  override current(entry: KeyEntry, timeMs: number): WindowResult | undefined {
    const start = this.bounds.lastStart(timeMs) - this.currentBeforeMs;
    const row = this.rows(entry).get(this.ids.id(start));
    if (row?.value === undefined || (row.value as WindowRow).count === 0) return undefined;
    return this.slot.layout.result(this.settled(row, start));
  }

  override *committed(key: Buffer, { from, to }: WindowRange): Generator<StoredWindow> {
    for (const { subkey, value } of this.state.committedRows(this.slot.slot, key)) {
      const start = this.ids.start(subkey.toString("latin1"));
      if (start >= from && start < to && (value as WindowRow).count > 0) yield this.readable(key, value as WindowRow, start);
    }
  }

  override committedAt(key: Buffer, timeMs: number): StoredWindow | undefined {
    const start = this.bounds.lastStart(timeMs) - this.currentBeforeMs;
    const value = this.state.committedEntry(this.slot.slot, key, Buffer.from(this.ids.id(start), "latin1")) as WindowRow | undefined;
    return value === undefined || value.count === 0 ? undefined : this.readable(key, value, start);
  }

  private readable(key: Buffer, value: WindowRow, start: number): StoredWindow {
    const row = value.stale === true ? this.madeAnew(value, this.items.committed(key, this.rangeOf(start)), start) : value;
    return this.stored(start, row);
  }
}
