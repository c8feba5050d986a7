import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";

/**
 * Time and turns. Whatever waits or measures in what is simulated does it by this, so that a run is a function of its seed: production has
 * the machine's clock, a simulation one of its own.
 */
export interface Clock {
  /** Milliseconds that never go back; only differences mean something. */
  elapsedMs(): number;
  /** Milliseconds since the epoch. */
  epochMs(): number;
  /** Resolves after `ms`, or at once when `signal` is given; never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Lets timers, sockets and requests have their turn. */
  nextTurn(): Promise<void>;
}

export const systemClock: Clock = {
  elapsedMs: () => performance.now(),
  epochMs: () => Date.now(),
  sleep: (ms, signal) => (signal === undefined ? sleep(ms) : sleep(ms, undefined, { signal }).catch(() => undefined)),
  nextTurn: () => turn(),
};
