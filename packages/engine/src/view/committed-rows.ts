import { RepriseError } from "@reprise/schema";
import type { CompiledProcessor } from "../definition/compiled-processor.ts";
import type { KeyRange, RowWrite, StateStore, StoredRow } from "../ports/state-store.ts";
import { metaRowKey, rowPrefix, prefixRange, slotRange } from "../state/row-key.ts";
import type { TaskMeta } from "../task/task-meta.ts";
import type { Task } from "../task/task.ts";
import { keyBytesOf } from "./task-views.ts";

/** All rows of a task as its last commit left them. */
export interface CommittedRows {
  readonly meta: TaskMeta;
  /** In key order, without the meta row. To be read while the task's store is open. */
  readonly rows: AsyncIterable<readonly StoredRow[]>;
}

/** Which rows: all of a slot, or those of one key in it. */
export interface RowSelection {
  readonly slot?: number;
  readonly key?: Buffer;
}

/** Which rows, as people ask for them. */
export interface StateQuery {
  readonly state?: string;
  readonly key?: string;
}

/** @throws RepriseError STATE_UNKNOWN listing the states there are · INVALID_ARGUMENT */
export function selectionOf(processor: CompiledProcessor, { state, key }: StateQuery): RowSelection {
  const slot = state === undefined ? undefined : processor.slots.find(({ name }) => name === state)?.slot;
  if (state !== undefined && slot === undefined) {
    const names = processor.slots.map(({ name }) => name).join(", ");
    throw new RepriseError(
      "STATE_UNKNOWN",
      `${processor.name} v${processor.version} has no state, window, timer or table ${state}; ${names === "" ? "it has none" : `it has ${names}`}`,
      { details: { processor: processor.name, state } },
    );
  }
  if (key === undefined) return slot === undefined ? {} : { slot };
  if (slot === undefined) throw new RepriseError("INVALID_ARGUMENT", `a key needs the state that it is of`, { details: { key } });
  return { slot, key: keyBytesOf(processor, key) };
}

/**
 * The committed rows of a running task, all of one moment: what its store holds then, and above it what was committed and is not stored yet. The task
 * goes on meanwhile.
 */
export function committedRows(task: Task, store: StateStore, selection: RowSelection = {}): CommittedRows {
  const range = rangeOf(selection);
  const unsaved = task
    .unsavedWrites()
    .filter(({ key }) => !metaRowKey.equals(key) && isWithin(key, range))
    .sort((a, b) => Buffer.compare(a.key, b.key));
  return { meta: task.meta, rows: overlay(store.scan(range), unsaved) };
}

export function rangeOf({ slot, key }: RowSelection): KeyRange {
  if (slot === undefined) return { from: Buffer.of(1) };
  return key === undefined ? slotRange(slot) : prefixRange(rowPrefix(slot, key));
}

function isWithin(key: Uint8Array, { from, to }: KeyRange): boolean {
  return (from === undefined || Buffer.compare(key, from) >= 0) && (to === undefined || Buffer.compare(key, to) < 0);
}

/** Rows with sorted writes above them. */
async function* overlay(chunks: AsyncIterable<readonly StoredRow[]>, writes: readonly RowWrite[]): AsyncGenerator<readonly StoredRow[]> {
  let at = 0;
  const before = (key: Uint8Array | undefined): StoredRow[] => {
    const taken: StoredRow[] = [];
    for (; at < writes.length; at++) {
      const write = writes[at] as RowWrite;
      if (key !== undefined && Buffer.compare(write.key, key) >= 0) break;
      if (write.value !== null) taken.push({ key: write.key, value: write.value });
    }
    return taken;
  };
  for await (const chunk of chunks) {
    const rows: StoredRow[] = [];
    for (const row of chunk) {
      rows.push(...before(row.key));
      const write = writes[at];
      if (write === undefined || Buffer.compare(write.key, row.key) !== 0) rows.push(row);
    }
    if (rows.length > 0) yield rows;
  }
  const rest = before(undefined);
  if (rest.length > 0) yield rest;
}
