import type { CalendarDefinition, GlobalDefinition, HoppingDefinition, RollingDefinition, TumblingDefinition } from "@reprise/processor";
import { CalendarBounds } from "./calendar-bounds.ts";

/** Kinds whose windows have bounds that no record changes. */
export type AlignedDefinition = TumblingDefinition | HoppingDefinition | RollingDefinition | CalendarDefinition | GlobalDefinition;

/** Which windows hold a time: [start, end), epoch ms. */
export interface Bounds {
  /** The largest start of a window that holds the time. */
  lastStart(timeMs: number): number;
  /** Undefined: one window holds each time. Else the others of those that hold a time lie this far apart, below the last. */
  readonly everyMs: number | undefined;
  endOf(start: number): number;
  /** The start of the window that ends there; when none does, anything that is the start of none or of one that ends elsewhere. */
  startOfEnd(end: number): number;
}

/** What a Date can say: a global window begins and ends with it, so that its bounds are numbers in every format. */
export const maxTimeMs = 8.64e15;

export function boundsOf(definition: AlignedDefinition): Bounds {
  switch (definition.type) {
    case "tumbling":
      return new SteppedBounds(definition.sizeMs, definition.sizeMs);
    case "hopping":
      return new SteppedBounds(definition.sizeMs, definition.everyMs);
    case "rolling":
      return new SteppedBounds(definition.sizeMs, definition.stepMs);
    case "calendar":
      return new CalendarBounds(definition.per, definition.zone);
    case "global":
      return { lastStart: () => -maxTimeMs, everyMs: undefined, endOf: () => maxTimeMs, startOfEnd: () => -maxTimeMs };
  }
}

class SteppedBounds implements Bounds {
  readonly everyMs: number | undefined;
  private readonly sizeMs: number;
  private readonly stepMs: number;

  constructor(sizeMs: number, stepMs: number) {
    this.sizeMs = sizeMs;
    this.stepMs = stepMs;
    this.everyMs = sizeMs === stepMs ? undefined : stepMs;
  }

  lastStart(timeMs: number): number {
    return Math.floor(timeMs / this.stepMs) * this.stepMs;
  }

  endOf(start: number): number {
    return start + this.sizeMs;
  }

  startOfEnd(end: number): number {
    return end - this.sizeMs;
  }
}
