import { RepriseError } from "@reprise/schema";
import type { RecordColumns } from "../ports/log-reader.ts";
import type { KeyEntry } from "../state/key-entry.ts";

/** What the handler that runs now is about. One per task, filled anew for every call, so that a call allocates nothing. */
export class Frame {
  active = false;
  entry: KeyEntry = undefined as never;
  timestampMs = 0;
  /** The record that is processed, or that caused the timer or window to fire. */
  columns: RecordColumns = undefined as never;
  index = 0;
  input = 0;
  offset = 0;
  /** Stream time at this record: the timestamp of outputs. */
  streamTimeMs = 0;
  /** Counts `uuid` and `random` calls within the record. */
  drawn = 0;

  /** Every access of a handler's context goes through here: it is valid until the handler returns. */
  live(): this {
    if (!this.active) throw new RepriseError("CONTEXT_EXPIRED", "the context of a handler was used after the handler had returned");
    return this;
  }
}
