import type { Clock, SessionEnd } from "@reprise/engine";
import { type ErrorCode, RepriseError } from "@reprise/schema";
import { RestartPolicy } from "./restart-policy.ts";

/** Errors that a new session may cure; everything else ends the process, so that somebody sees it. */
const curable: ReadonlySet<string> = new Set<ErrorCode>([
  "BROKER_UNREACHABLE",
  "KAFKA_FAILED",
  "PRODUCER_FENCED",
  "STATE_CORRUPT",
  "STATE_FAILED",
  "CHECKPOINT_FAILED",
]);

export interface SessionLoopOptions {
  readonly clock: Clock;
  readonly runSession: () => Promise<SessionEnd>;
  /** The control log up to its end; throws when the signal is given while it waits. */
  readonly readControl: () => Promise<void>;
  /** Cutovers away from this deployment so far, as far as the control log was read. */
  readonly intentsAway: () => number;
  readonly signal: AbortSignal;
  /** Told why a session ended, and when the next one begins. */
  readonly ended: (end: {
    readonly reason: string;
    readonly error?: unknown;
    readonly delayMs: number;
    readonly expected: boolean;
  }) => void;
}

/**
 * Session after session until the worker is stopped or its deployment retired. What ends a session and may pass (a broker that is away, a fence) is
 * waited out, also when it meets the reading of the control log in between.
 * @throws what no session cures
 */
export async function runSessions(options: SessionLoopOptions): Promise<"stopped" | "retired"> {
  const { clock, signal } = options;
  const policy = new RestartPolicy();
  while (!signal.aborted) {
    const started = clock.elapsedMs();
    const intents = options.intentsAway();
    let reason: string;
    let failure: unknown;
    try {
      const end = await options.runSession();
      if (end !== "fenced") return end;
      reason = "PRODUCER_FENCED";
    } catch (error) {
      failure = error;
      reason = curableCode(error);
    }
    try {
      await options.readControl();
    } catch (error) {
      if (signal.aborted) break;
      curableCode(error);
      failure ??= error;
    }
    // The fence of a cutover away from us is no surprise: open anew at once, as its follower.
    const expected = reason === "PRODUCER_FENCED" && options.intentsAway() > intents;
    const delayMs = policy.delayAfter(clock.elapsedMs() - started, expected);
    options.ended({ reason, delayMs, expected, ...(failure === undefined ? {} : { error: failure }) });
    await clock.sleep(delayMs, signal);
  }
  return "stopped";
}

/** @throws the error itself when a new session would not cure it */
function curableCode(error: unknown): string {
  if (RepriseError.is(error) && curable.has(error.code)) return error.code;
  throw error;
}
