import { setTimeout as sleep } from "node:timers/promises";
import { RepriseError } from "@reprise/schema";

export interface RetryOptions {
  /** Names the attempt in the error. */
  readonly what: string;
  readonly timeoutMs: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
  readonly mayPass: (error: unknown) => boolean;
}

/** Calls until it succeeds, with a growing delay; rejects with the last error when it can't pass or the time is up. */
export async function retrying<Answer>(options: RetryOptions, attempt: () => Promise<Answer>): Promise<Answer> {
  const deadline = performance.now() + options.timeoutMs;
  for (let delayMs = options.firstDelayMs; ; delayMs = Math.min(delayMs * 2, options.maxDelayMs)) {
    try {
      return await attempt();
    } catch (error) {
      if (!options.mayPass(error)) throw asReprise(options.what, error);
      if (performance.now() + delayMs > deadline) throw asReprise(options.what, error);
      await sleep(delayMs);
    }
  }
}

function asReprise(what: string, error: unknown): RepriseError {
  if (RepriseError.is(error)) return error;
  return new RepriseError("KAFKA_FAILED", `${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}
