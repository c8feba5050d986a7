import type { WindowSlot } from "../definition/compiled-slot.ts";
import type { TaskState } from "../state/task-state.ts";
import type { DueQueue } from "../time/due-queue.ts";
import type { TaskClock } from "../time/task-clock.ts";
import { AlignedWindow } from "./aligned-window.ts";
import type { ChangeList } from "./change-list.ts";
import { ItemSessionWindow } from "./item-session-window.ts";
import { ItemWindow } from "./item-window.ts";
import { JoinWindow } from "./join-window.ts";
import type { KeyedWindow } from "./keyed-window.ts";
import { KeptRollingWindow } from "./kept-rolling-window.ts";
import { RollingWindow } from "./rolling-window.ts";
import { SessionWindow } from "./session-window.ts";

/** What every kind of window works on. */
export interface WindowParts {
  readonly state: TaskState;
  readonly queue: DueQueue;
  readonly clock: TaskClock;
  /** The windows that are emitted when the handler that runs has returned. */
  readonly changes: ChangeList;
}

export function makeWindow(slot: WindowSlot, parts: WindowParts): KeyedWindow | JoinWindow {
  const { definition } = slot;
  if (slot.items !== undefined && definition.type !== "session" && definition.type !== "join")
    return new ItemWindow(slot, definition, parts);
  switch (definition.type) {
    case "tumbling":
    case "hopping":
    case "calendar":
    case "global":
      return new AlignedWindow(slot, definition, parts);
    case "rolling":
      return definition.keepMs !== undefined || definition.throttleMs !== undefined
        ? new KeptRollingWindow(slot, definition, parts)
        : new RollingWindow(slot, definition, parts);
    case "session":
      return slot.items === undefined ? new SessionWindow(slot, definition, parts) : new ItemSessionWindow(slot, definition, parts);
    case "join":
      return new JoinWindow(slot, definition, parts);
  }
}
