import type { KeyEntry } from "../state/key-entry.ts";
import type { DueWindow, EmittingWindow, KeyedWindow } from "./keyed-window.ts";

interface ChangedWindow {
  readonly window: KeyedWindow;
  readonly entry: KeyEntry;
  readonly start: number;
  readonly given: undefined;
}
/** What its handler gets is known already: of a session that is none any more, or a pair of a join. */
interface GivenWindow {
  readonly window: EmittingWindow;
  readonly entry: KeyEntry;
  readonly start: number;
  readonly given: DueWindow;
}
export type Change = ChangedWindow | GivenWindow;

/** The windows that the handler which runs now has changed and that are emitted when it has returned. */
export class ChangeList {
  private changes: Change[] = [];

  get size(): number {
    return this.changes.length;
  }

  add(window: KeyedWindow, entry: KeyEntry, start: number): void {
    const last = this.changes.at(-1);
    if (last !== undefined && last.given === undefined && last.window === window && last.start === start && last.entry === entry) return;
    this.changes.push({ window, entry, start, given: undefined });
  }

  /** The same, of what its handler gets as it is. Of one window and start they stay in this order. */
  addGiven(window: EmittingWindow, entry: KeyEntry, start: number, given: DueWindow): void {
    this.changes.push({ window, entry, start, given });
  }

  /** Takes back what was added since there were `size`. */
  undo(size: number): void {
    if (this.changes.length > size) this.changes.length = size;
  }

  /** Takes what is listed, in the order of emission: by name, what is given as it is first, by start. A window may be in it twice. */
  take(): readonly Change[] {
    const taken = this.changes;
    this.changes = [];
    return taken.sort(
      (a, b) =>
        a.window.slot.slot - b.window.slot.slot || Number(a.given === undefined) - Number(b.given === undefined) || a.start - b.start,
    );
  }
}
