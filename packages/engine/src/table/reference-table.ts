import type { TableSlot } from "../definition/compiled-slot.ts";
import type { KeyEntry } from "../state/key-entry.ts";
import type { TaskState } from "../state/task-state.ts";
import type { TaskClock } from "../time/task-clock.ts";
import { type TableVersions, versionAt, withVersion } from "./table-versions.ts";

/** A table as one task has it: its own partition of one that has the processor's key, or all of a broadcast one. */
export class ReferenceTable {
  readonly slot: TableSlot;
  private readonly state: TaskState;
  private readonly clock: TaskClock;

  constructor(slot: TableSlot, parts: { readonly state: TaskState; readonly clock: TaskClock }) {
    this.slot = slot;
    this.state = parts.state;
    this.clock = parts.clock;
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
    this.state.set(row, withVersion(row.value as TableVersions | undefined, version, this.clock.watermarkMs));
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
