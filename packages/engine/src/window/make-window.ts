import type { WindowSlot } from "../definition/compiled-slot.ts";
import type { TaskState } from "../state/task-state.ts";
import type { DueQueue } from "../time/due-queue.ts";
import type { TaskClock } from "../time/task-clock.ts";
import type { KeyedWindow } from "./keyed-window.ts";
import { TumblingWindow } from "./tumbling-window.ts";

/** What every kind of window works on. */
export interface WindowParts {
  readonly state: TaskState;
  readonly queue: DueQueue;
  readonly clock: TaskClock;
}

/** @throws Error for a kind that `unsupportedFeatures` should have refused */
export function makeWindow(slot: WindowSlot, parts: WindowParts): KeyedWindow {
  const { definition } = slot;
  switch (definition.type) {
    case "tumbling":
      return new TumblingWindow(slot, definition, parts);
    default:
      throw new Error(`windows.${definition.type}() can't be run`);
  }
}
