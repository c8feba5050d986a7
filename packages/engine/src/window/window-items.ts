import { latin1 } from "../internal/latin1.ts";
import type { WindowItemsSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { SubkeyRange, TaskState } from "../state/task-state.ts";
import { fitting } from "./aggregates/kept-value.ts";
import { allContents, contentId, headId, type ItemContent, ItemPlace, ItemsHead, placeId, placeOf } from "./item-rows.ts";

/** One item with its place. */
export interface Item {
  readonly place: ItemPlace;
  readonly content: ItemContent;
}

/** The items of one window declaration, over all keys of a task. */
export class WindowItems {
  private readonly slot: WindowItemsSlot;
  private readonly state: TaskState;
  private readonly what: string;

  /** @param window its name */
  constructor(slot: WindowItemsSlot, state: TaskState, window: string) {
    this.slot = slot;
    this.state = state;
    this.what = `window ${window}: id`;
  }

  /** The encoded id, one character per byte. @throws RepriseError SCHEMA_INVALID naming the window */
  idOf(given: unknown): string {
    return latin1(fitting(this.what, () => this.slot.id.encode(given)));
  }

  find(entry: KeyEntry, id: string): Item | undefined {
    const { state } = this;
    const { slot } = this.slot;
    const place = state.row(entry, slot, placeId(id)).value as ItemPlace | undefined;
    if (place === undefined) return undefined;
    return { place, content: state.row(entry, slot, contentId(place)).value as ItemContent };
  }

  /** Of an id that has no item. */
  store(entry: KeyEntry, timeMs: number, content: ItemContent): void {
    const { state } = this;
    const { slot } = this.slot;
    const headRow = state.row(entry, slot, headId);
    const head = headRow.value as ItemsHead | undefined;
    const place = new ItemPlace(timeMs, head?.next ?? 0);
    state.set(headRow, new ItemsHead(place.put + 1, (head?.count ?? 0) + 1));
    state.set(state.row(entry, slot, placeId(content.id)), place);
    state.set(state.unstoredRow(entry, slot, contentId(place)), content);
  }

  drop(entry: KeyEntry, { place, content }: Item): void {
    const { state } = this;
    const { slot } = this.slot;
    const headRow = state.row(entry, slot, headId);
    const { next, count } = headRow.value as ItemsHead;
    state.set(headRow, count === 1 ? undefined : new ItemsHead(next, count - 1));
    state.set(state.row(entry, slot, placeId(content.id)), undefined);
    state.set(state.row(entry, slot, contentId(place)), undefined);
  }

  /** By time, read as they are asked for. Nothing may be changed meanwhile. */
  *current(entry: KeyEntry, range: SubkeyRange = allContents): Generator<Item> {
    for (const { subkey, value } of this.state.currentRows(this.slot.slot, entry, range))
      yield { place: placeOf(subkey), content: value as ItemContent };
  }

  /** The same as the last commit left them. */
  *committed(key: Buffer, range: SubkeyRange): Generator<Item> {
    for (const { subkey, value } of this.state.committedRows(this.slot.slot, key, range))
      yield { place: placeOf(subkey), content: value as ItemContent };
  }
}
