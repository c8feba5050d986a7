import { RepriseError } from "@reprise/schema";
import type { KeyedWindow, WindowValues } from "../window/keyed-window.ts";
import type { Frame } from "./frame.ts";

/** What a late record's values meet, by the window's policy. */
export type OnLate = (window: KeyedWindow, values: WindowValues, start: number, end: number) => void;

/** `ctx.windows.<name>`. */
export class WindowHandle {
  private readonly window: KeyedWindow;
  private readonly frame: Frame;
  private readonly onLate: OnLate;
  /** What is being added: `late` is one function for all records. */
  private values: WindowValues = {};
  private readonly late = (start: number, end: number): void => this.onLate(this.window, this.values, start, end);

  constructor(window: KeyedWindow, frame: Frame, onLate: OnLate) {
    this.window = window;
    this.frame = frame;
    this.onLate = onLate;
  }

  add(values: WindowValues, at?: number): void {
    const frame = this.frame.live();
    this.values = values;
    this.window.add(frame.entry, values, at === undefined ? frame.timestampMs : this.time(at), this.late);
  }

  current(at?: number): unknown {
    const frame = this.frame.live();
    return this.window.current(frame.entry, at === undefined ? frame.timestampMs : this.time(at));
  }

  /** NaN would be due never, and hold up everything else that is. */
  private time(at: number): number {
    if (typeof at === "number" && Number.isFinite(at)) return at;
    throw new RepriseError("INVALID_ARGUMENT", `window ${this.window.slot.name}: a time in epoch ms was expected, got ${String(at)}`);
  }
}
