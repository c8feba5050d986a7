import type { JoinSide } from "../window/join-row.ts";
import type { JoinWindow } from "../window/join-window.ts";
import type { Frame } from "./frame.ts";
import { checkWindowTime, type LateSink } from "./window-handle.ts";

/** `ctx.windows.<name>` of a join. */
export class JoinHandle {
  private readonly window: JoinWindow;
  private readonly frame: Frame;
  private readonly sink: LateSink;

  constructor(window: JoinWindow, frame: Frame, sink: LateSink) {
    this.window = window;
    this.frame = frame;
    this.sink = sink;
  }

  left(value: unknown, at?: number): void {
    this.add("left", value, at);
  }

  right(value: unknown, at?: number): void {
    this.add("right", value, at);
  }

  private add(side: JoinSide, value: unknown, at: number | undefined): void {
    const frame = this.frame.live();
    const timeMs = at === undefined ? frame.timestampMs : checkWindowTime(at, this.window);
    if (!this.window.add(frame.entry, side, value, timeMs)) this.sink.count(this.window, timeMs, 1, timeMs, timeMs + 1);
  }
}
