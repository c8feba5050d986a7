import { RepriseError } from "@reprise/schema";
import { isEventTime, maxEpochMs } from "../time/event-time.ts";
import type { EmittingWindow, KeyedItemWindow, KeyedWindow, WindowValues } from "../window/keyed-window.ts";
import type { Frame } from "./frame.ts";

/** What late contributions meet. */
export interface LateSink {
  /** With `late: "handle"`: once for each window that it is late for. */
  handle(window: KeyedWindow, values: WindowValues, start: number, end: number): void;
  /** Once per contribution, when all its windows were tried; of `windows` the first begins at `start`, and the last ends at `end`. */
  count(window: EmittingWindow, timeMs: number, windows: number, start: number, end: number): void;
  /** What was to be removed is in no open window: its time is over, or it did not come yet. */
  unknown(): void;
}

/** What handles of all windows have: reading, and what late contributions meet. */
abstract class AnyWindowHandle<W extends KeyedWindow> {
  protected readonly window: W;
  protected readonly frame: Frame;
  protected readonly sink: LateSink;
  /** What is being added, and what it was late for so far: `late` is one function for all records. */
  private values: WindowValues = {};
  private lateWindows = 0;
  private lateStart = 0;
  private lateEnd = 0;

  constructor(window: W, frame: Frame, sink: LateSink) {
    this.window = window;
    this.frame = frame;
    this.sink = sink;
  }

  protected begin(values: WindowValues): void {
    this.values = values;
    this.lateWindows = 0;
  }

  protected end(timeMs: number): void {
    if (this.lateWindows > 0) this.sink.count(this.window, timeMs, this.lateWindows, this.lateStart, this.lateEnd);
  }

  protected readonly late = (start: number, end: number): void => {
    if (this.lateWindows++ === 0) this.lateStart = start;
    this.lateEnd = end;
    if (this.window.slot.definition.late !== "handle") return;
    const { values, lateWindows, lateStart } = this;
    this.sink.handle(this.window, values, start, end);
    // The handler may have added to this window.
    Object.assign(this, { values, lateWindows, lateStart, lateEnd: end });
  };

  current(at?: number): unknown {
    const frame = this.frame.live();
    return this.window.current(frame.entry, at === undefined ? frame.timestampMs : checkWindowTime(at, this.window));
  }
}

/** `ctx.windows.<name>`. */
export class WindowHandle extends AnyWindowHandle<KeyedWindow> {
  add(values: WindowValues, at?: number): void {
    const frame = this.frame.live();
    const timeMs = at === undefined ? frame.timestampMs : checkWindowTime(at, this.window);
    this.begin(values);
    this.window.add(frame.entry, values, timeMs, this.late);
    this.end(timeMs);
  }
}

/** `ctx.windows.<name>` of a window with `items`. */
export class ItemWindowHandle extends AnyWindowHandle<KeyedItemWindow> {
  put(id: unknown, values: WindowValues, at?: number): void {
    const frame = this.frame.live();
    const timeMs = at === undefined ? frame.timestampMs : checkWindowTime(at, this.window);
    this.begin(values);
    this.window.put(frame.entry, id, values, timeMs, this.late);
    this.end(timeMs);
  }

  remove(id: unknown): void {
    const { entry } = this.frame.live();
    if (!this.window.withdraw(entry, id)) this.sink.unknown();
  }
}

/** NaN would be due never, and hold up everything else that is; a window beyond all dates would be open for ever. @throws RepriseError INVALID_ARGUMENT */
export function checkWindowTime(at: number, { slot }: EmittingWindow): number {
  if (isEventTime(at)) return at;
  throw new RepriseError(
    "INVALID_ARGUMENT",
    `window ${slot.name}: a time in epoch ms within ±${maxEpochMs} was expected, got ${String(at)}`,
  );
}
