import { errorTable, RepriseError } from "@reprise/schema";
import { Stopped } from "../internal/stopped.ts";

/**
 * Whom an error concerns that a task meets while it is opened or reads:
 * - `task`: it alone, and for good: it stops and says why, the others of its worker go on.
 * - `later`: it alone, and it may pass: the task is opened again after a pause.
 * - `session`: the worker as a whole. A new session, or an operator, has to see to it.
 * - `given-up`: nobody: whoever asked for it wants it no more.
 */
export type TaskFault = "task" | "later" | "session" | "given-up";

/** What lies in the log, the checkpoints or the declaration: another try reads the same. */
const ofTask: ReadonlySet<string> = new Set([
  "BATCH_CORRUPT",
  "CHECKPOINT_MISSING",
  "DECLARATION_CONFLICT",
  "DELTAS_LOST",
  "INPUT_TRUNCATED",
  "PARTITIONS_CHANGED",
  "STATE_INCOMPATIBLE",
  "TOPIC_MISSING",
  "TOPIC_RECREATED",
]);

/** Those that are no retries of the same call, and that opening anew cures: by another base, or when there is room again. */
const cured: ReadonlySet<string> = new Set(["CHECKPOINT_CORRUPT", "DISK_FULL", "STATE_CORRUPT"]);

/** Total: what is not known is the session's, so that somebody sees it. */
export function faultOf(error: unknown): TaskFault {
  if (error instanceof Stopped) return "given-up";
  if (!RepriseError.is(error)) return "session";
  if (ofTask.has(error.code)) return "task";
  return cured.has(error.code) || errorTable[error.code].retry ? "later" : "session";
}
