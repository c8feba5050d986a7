import { RepriseError } from "@reprise/schema";
import type { TumblingWindow } from "../window/tumbling-window.ts";
import type { Frame } from "./frame.ts";

/** What a late record's values meet, by the window's policy. */
export type OnLate = (window: TumblingWindow, values: { readonly [name: string]: unknown }, start: number, end: number) => void;

/** `ctx.windows.<name>`. */
export class WindowHandle {
  private readonly window: TumblingWindow;
  private readonly frame: Frame;
  private readonly onLate: OnLate;

  constructor(window: TumblingWindow, frame: Frame, onLate: OnLate) {
    this.window = window;
    this.frame = frame;
    this.onLate = onLate;
  }

  add(values: { readonly [name: string]: unknown }, at?: number): void {
    const frame = this.frame.live();
    const outcome = this.window.add(frame.entry, values, at === undefined ? frame.timestampMs : this.time(at));
    if (outcome.kind === "late") this.onLate(this.window, values, outcome.start, outcome.end);
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
