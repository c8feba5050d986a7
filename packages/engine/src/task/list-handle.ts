import type { ListSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import { headId, itemId, itemSubkey, ListHead } from "../state/list-rows.ts";
import type { Stamped } from "../state/stamped.ts";
import type { TaskState } from "../state/task-state.ts";
import type { Expiry } from "../time/expiry.ts";
import type { Frame } from "./frame.ts";

/** `ctx.state.<name>` of a list state. */
export class ListHandle {
  private readonly slot: ListSlot;
  private readonly state: TaskState;
  private readonly frame: Frame;
  private readonly expiry: Expiry | undefined;

  constructor(slot: ListSlot, state: TaskState, frame: Frame, expiry: Expiry | undefined) {
    this.slot = slot;
    this.state = state;
    this.frame = frame;
    this.expiry = expiry;
  }

  push(value: unknown): void {
    const { schema, slot, max } = this.slot;
    const { state, expiry } = this;
    const { entry } = this.frame.live();
    schema.check(value);
    const headRow = state.row(entry, slot, headId);
    const head = headRow.value as ListHead | undefined;
    let first = head?.first ?? 0;
    const next = (head?.next ?? 0) + 1;
    const stored = expiry === undefined ? value : expiry.stamp(value, this.writtenLastMs(entry, head));
    state.set(state.unstoredRow(entry, slot, itemId(next - 1)), stored);
    if (max !== undefined) for (; next - first > max; first++) state.set(state.row(entry, slot, itemId(first)), undefined);
    if (expiry?.needsArming(headRow, (stored as Stamped).writtenMs) === true) expiry.arm(headRow, (stored as Stamped).writtenMs, entry.id);
    state.set(headRow, new ListHead(first, next));
  }

  /** A record that is ahead of stream time may have pushed; times never decrease. */
  private writtenLastMs(entry: KeyEntry, head: ListHead | undefined): number | undefined {
    if (head === undefined) return undefined;
    return (this.state.row(entry, this.slot.slot, itemId(head.next - 1)).value as Stamped).writtenMs;
  }

  get length(): number {
    const { entry } = this.frame.live();
    const head = this.state.row(entry, this.slot.slot, headId).value as ListHead | undefined;
    return head === undefined ? 0 : head.next - this.firstAlive(entry, head);
  }

  /** Costs what the list has of items: each is deleted from the store. */
  clear(): void {
    const { state } = this;
    const { slot } = this.slot;
    const { entry } = this.frame.live();
    const headRow = state.row(entry, slot, headId);
    const head = headRow.value as ListHead | undefined;
    if (head === undefined) return;
    for (let n = head.first; n < head.next; n++) state.set(state.row(entry, slot, itemId(n)), undefined);
    state.set(headRow, undefined);
  }

  /** Oldest first: the items there were when it began, less those that are removed meanwhile. */
  *[Symbol.iterator](): Generator<unknown> {
    const { expiry } = this;
    const { entry } = this.frame.live();
    const head = this.state.row(entry, this.slot.slot, headId).value as ListHead | undefined;
    if (head === undefined) return;
    const range = { from: itemSubkey(this.firstAlive(entry, head)), to: itemSubkey(head.next) };
    for (const { value } of this.state.currentRows(this.slot.slot, entry, range)) {
      yield expiry === undefined ? value : (value as Stamped).value;
      this.frame.live();
    }
  }

  /** Number of the oldest item that has not expired; their times never decrease. `head.next`: there is none. */
  private firstAlive(entry: KeyEntry, head: ListHead): number {
    const { expiry } = this;
    if (expiry === undefined) return head.first;
    const alive = (n: number): boolean => expiry.alive(this.state.row(entry, this.slot.slot, itemId(n)).value) !== undefined;
    if (alive(head.first)) return head.first;
    let low = head.first + 1;
    let high = head.next;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (alive(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
