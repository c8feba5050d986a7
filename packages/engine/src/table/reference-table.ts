import type { TableSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { TaskState } from "../state/task-state.ts";
import { latin1 } from "../internal/latin1.ts";
import type { DueQueue } from "../time/due-queue.ts";
import type { TaskClock } from "../time/task-clock.ts";
import { nextPruningMs, pruned, type TableVersions, versionAt, withVersion } from "./table-versions.ts";

/** A table as one task has it: its own partition of one that has the processor's key, or all of a broadcast one. */
export class ReferenceTable {
  readonly slot: TableSlot;
  private readonly state: TaskState;
  private readonly clock: TaskClock;
  private readonly queue: DueQueue;
  private readonly backMs: number;

  /** @param backMs how far behind the watermark a row is still asked for */
  constructor(slot: TableSlot, parts: { readonly state: TaskState; readonly clock: TaskClock; readonly queue: DueQueue }, backMs: number) {
    this.slot = slot;
    this.state = parts.state;
    this.clock = parts.clock;
    this.queue = parts.queue;
    this.backMs = backMs;
  }

  /** The entry that the key's row belongs to; made when it is not cached, and then perhaps not loaded. @throws RepriseError for bytes that are no key */
  entryAt(bytes: Buffer, start: number, length: number): KeyEntry {
    const { state, slot } = this;
    if (!slot.broadcast) return state.entryAt(bytes, start, length);
    slot.key.decode(bytes, start, start + length);
    return state.tableEntry(slot.slot, bytes.subarray(start, start + length));
  }

  /** A record of the table: from `timeMs` on the key has this value; null deletes. */
  apply(entry: KeyEntry, value: unknown, timeMs: number): void {
    const row = this.state.single(entry, this.slot.slot);
    const version = { fromMs: this.slot.asOf === "latest" ? Number.NEGATIVE_INFINITY : timeMs, value: value === null ? undefined : value };
    const before = row.value as TableVersions | undefined;
    const versions = withVersion(before, version, this.clock.watermarkMs - this.backMs);
    this.state.set(row, versions);
    if (versions === undefined) return;
    // What it was armed for before, it still is.
    if (before === undefined || nextPruningMs(before) !== nextPruningMs(versions)) this.arm(versions, latin1(entry.bytes));
  }

  /**
   * Lets a row come up when something of it can go. It goes at that watermark, and not with the next record of the table: where in the inputs that
   * comes is different for a follower, and for who reads late by it.
   */
  private arm(versions: TableVersions, keyId: string): void {
    const nextMs = nextPruningMs(versions);
    if (nextMs < Number.POSITIVE_INFINITY) this.queue.add(nextMs + this.backMs, this.slot.slot * 2, keyId);
  }

  /** What was armed came up. */
  prune(keyId: string, dueMs: number): void {
    const { state, slot } = this;
    const entry = slot.broadcast ? state.tableEntry(slot.slot, Buffer.from(keyId, "latin1")) : state.entry(keyId);
    state.loadNow(entry);
    const row = state.single(entry, slot.slot);
    const before = row.value as TableVersions | undefined;
    if (before === undefined) return;
    const after = pruned(before, dueMs - this.backMs);
    if (after !== before) state.set(row, after);
    if (after !== undefined) this.arm(after, keyId);
  }

  /** A stored row, when a task is opened. */
  restore(keyId: string, versions: TableVersions): void {
    this.arm(versions, keyId);
  }

  /** The value that a key of a broadcast table had at `timeMs`; undefined: none. @throws RepriseError SCHEMA_INVALID */
  valueOf(key: unknown, timeMs: number): unknown {
    return this.get(this.state.tableEntry(this.slot.slot, this.slot.key.encode(key)), timeMs);
  }

  get(entry: KeyEntry, timeMs: number): unknown {
    this.state.loadNow(entry);
    const versions = this.state.single(entry, this.slot.slot).value as TableVersions | undefined;
    return versions === undefined ? undefined : versionAt(versions, timeMs);
  }
}
