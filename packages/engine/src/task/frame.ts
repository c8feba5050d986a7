import { RepriseError } from "@reprise/schema";
import type { RecordColumns } from "../ports/log-reader.ts";
import type { KeyEntry } from "../state/key-entry.ts";

/** What the handler that runs now is about. One per task, filled anew for every call, so that a call allocates nothing. */
export class Frame {
  active = false;
  entry: KeyEntry = undefined as never;
  timestampMs = 0;
  /** The record that is handled, or that caused the timer or window to fire. */
  columns: RecordColumns = undefined as never;
  index = 0;
  offset = 0;
  /**
   * The record at the task's position: what is published, counted and repeated is decided by it. Another than the one that is handled only while a
   * record that was held is.
   */
  causeColumns: RecordColumns = undefined as never;
  causeIndex = 0;
  causeInput = 0;
  causeOffset = 0;
  /** Timestamp of outputs: stream time at the cause; with `order: "event-time"` the watermark, as far as it is. */
  outputTimeMs = 0;
  /** Counts `uuid` and `random` calls within the cause. */
  drawn = 0;

  /** Every access of a handler's context goes through here: it is valid until the handler returns. */
  live(): this {
    if (!this.active) throw new RepriseError("CONTEXT_EXPIRED", "the context of a handler was used after the handler had returned");
    return this;
  }
}
