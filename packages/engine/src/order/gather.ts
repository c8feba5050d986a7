import type { InputCursor } from "./input-cursor.ts";
import type { RecordBatch } from "./record-batch.ts";

export interface GatherState {
  /** The largest merge time that was taken: what a later, smaller one is late against. */
  mergedTimeMs: number;
  /** Records taken out of merge order, because a drained partition had been passed over. */
  lateMerged: number;
  /** There was no more to take: every input is drained, or what it has is held back for one that is. */
  exhausted: boolean;
}

/**
 * Fills `batch` with the next records of a task. One input: as they stand in the log. Several: the head with the smallest (merge time, input order) is
 * next, and only while every other input has a head or is drained; one that is drained at the end of its log holds a head back until it is `maxIdleMs`
 * old by the wall clock, so that the order is a function of the log alone whatever batches and fetches do. A rekeyed input is not drained as long as
 * an origin of it is not idle: its records are on their way.
 */
export function gather(
  cursors: readonly InputCursor[],
  batch: RecordBatch,
  state: GatherState,
  maxIdleMs: number,
  nowMs: () => number,
): void {
  batch.clear();
  state.exhausted = false;
  if (cursors.length === 1) {
    const only = cursors[0] as InputCursor;
    while (!batch.full && only.advance()) {
      batch.push(only);
      only.consume();
    }
    state.exhausted = !batch.full && only.drained() !== "no";
    return;
  }
  while (!batch.full) {
    const next = smallestHead(cursors, maxIdleMs, nowMs);
    if (next === undefined) {
      state.exhausted = cursors.every((cursor) => cursor.advance() || cursor.drained() !== "no");
      return;
    }
    const time = next.mergeTimeMs;
    if (time >= state.mergedTimeMs) state.mergedTimeMs = time;
    else if (time !== Number.NEGATIVE_INFINITY) state.lateMerged++;
    batch.push(next);
    next.consume();
  }
}

function smallestHead(cursors: readonly InputCursor[], maxIdleMs: number, nowMs: () => number): InputCursor | undefined {
  let smallest: InputCursor | undefined;
  let heldBack = false;
  for (const cursor of cursors) {
    if (cursor.advance()) {
      if (smallest === undefined || cursor.mergeTimeMs < smallest.mergeTimeMs) smallest = cursor;
      continue;
    }
    const drained = cursor.drained();
    if (drained === "no") return undefined;
    if (drained === "bound") continue;
    if (cursor.origins?.pending === true) return undefined;
    heldBack = true;
  }
  if (smallest !== undefined && heldBack && nowMs() - smallest.mergeTimeMs < maxIdleMs) return undefined;
  return smallest;
}
