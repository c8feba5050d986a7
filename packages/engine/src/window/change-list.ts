import type { KeyEntry } from "../state/key-entry.ts";
import type { DueWindow, KeyedWindow } from "./keyed-window.ts";

export interface Change {
  readonly window: KeyedWindow;
  readonly entry: KeyEntry;
  readonly start: number;
  /** A session that is none any more: what its handler gets. */
  readonly vanished: DueWindow | undefined;
}

/** The windows that the handler which runs now has changed and that are emitted when it has returned. */
export class ChangeList {
  private changes: Change[] = [];

  get size(): number {
    return this.changes.length;
  }

  add(window: KeyedWindow, entry: KeyEntry, start: number, vanished?: DueWindow): void {
    const last = this.changes.at(-1);
    if (last !== undefined && last.window === window && last.start === start && last.entry === entry && vanished === undefined) return;
    this.changes.push({ window, entry, start, vanished });
  }

  /** Takes back what was added since there were `size`. */
  undo(size: number): void {
    if (this.changes.length > size) this.changes.length = size;
  }

  /** Takes what is listed, in the order of emission: by name, what vanished first, by start. A window may be in it twice. */
  take(): readonly Change[] {
    const taken = this.changes;
    this.changes = [];
    return taken.sort(
      (a, b) =>
        a.window.slot.slot - b.window.slot.slot || Number(a.vanished === undefined) - Number(b.vanished === undefined) || a.start - b.start,
    );
  }
}
