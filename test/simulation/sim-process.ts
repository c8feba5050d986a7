import type { Clock } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { Random } from "../support/random.ts";
import type { FaultKinds, Faults } from "./faults.ts";
import type { Scheduler } from "./scheduler.ts";

/** When the machines' clocks stood at virtual 0. */
const epochMs = 1_700_000_000_000;

/** A call whose outcome nobody knows: neither an answer nor an error comes, for as long as it matters. */
const never = <T>(): Promise<T> => new Promise(() => undefined);

const anyCall: FaultKinds = { slow: 8, "crash-before": 1.5, "crash-after": 1.5, freeze: 1 };

const lateNow: FaultKinds = { slow: 6 };

export interface CallOptions {
  /** The call may fail, with its effect or without. */
  readonly mayFail?: () => Error;
  readonly faults?: FaultKinds;
}

const kafkaFailed = (): Error => new RepriseError("KAFKA_FAILED", "the brokers did not answer (simulated)");
export const mayFail: CallOptions = { mayFail: kafkaFailed };

/**
 * A process with a clock of its own. It may die: what it asked for is done or not, and it learns nothing any more. It may be frozen: what comes meanwhile
 * waits, and it wakes up as if no time had passed.
 */
export class SimProcess {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  alive = true;
  trace: (line: () => string) => void = () => undefined;
  calls = 0;
  private readonly faults: Faults;
  private readonly random: Random;
  private readonly endings: (() => void)[] = [];
  private readonly pauses: ((untilMs: number) => void)[] = [];
  private frozenUntilMs = 0;

  constructor(name: string, scheduler: Scheduler, faults: Faults) {
    this.name = name;
    this.scheduler = scheduler;
    this.faults = faults;
    this.random = faults.random(name);
    this.clock = {
      elapsedMs: () => scheduler.nowMs,
      epochMs: () => epochMs + scheduler.nowMs,
      sleep: (ms, signal) =>
        new Promise((resolve) => {
          if (signal?.aborted === true) return resolve();
          const cancel = scheduler.after(ms, () => this.deliver(resolve));
          signal?.addEventListener("abort", () => {
            cancel();
            resolve();
          });
        }),
      // A turn takes a little: a loop that only takes turns gets on in time.
      nextTurn: () => new Promise((resolve) => scheduler.after(0.05, () => this.deliver(resolve))),
    };
  }

  get frozen(): boolean {
    return this.scheduler.nowMs < this.frozenUntilMs;
  }

  onEnd(ended: () => void): void {
    if (this.alive) this.endings.push(ended);
    else ended();
  }

  /** Told when it is frozen, and until when. */
  onFreeze(frozen: (untilMs: number) => void): void {
    this.pauses.push(frozen);
  }

  /** kill -9. */
  kill(): void {
    if (!this.alive) return;
    this.alive = false;
    for (const ended of this.endings) ended();
  }

  freeze(ms: number): void {
    this.frozenUntilMs = Math.max(this.frozenUntilMs, this.scheduler.nowMs + ms);
    for (const frozen of this.pauses) frozen(this.frozenUntilMs);
  }

  /** Something reaches the process: now, or when it wakes up, or never. */
  deliver(what: () => void): void {
    if (!this.alive) return;
    if (this.frozen) this.scheduler.at(this.frozenUntilMs, () => this.deliver(what));
    else what();
  }

  /** How long a request or an answer is on its way. */
  latencyMs(): number {
    return 0.1 + this.random.next() * (this.random.chance(0.1) ? 12 : 1.5);
  }

  /** How much longer than others something takes that comes by itself. */
  lateMs(what: string): number {
    const place = `${this.name}#${++this.calls} ${what}`;
    return this.faults.at(place, lateNow) === undefined ? 0 : this.faults.random(`${place} for`).pick([40, 200, 600]);
  }

  /** One call over the network: a request, what it does there, an answer. */
  call<T>(what: string, work: () => T | Promise<T>, { mayFail, faults }: CallOptions = {}): Promise<T> {
    if (!this.alive) return never();
    const place = `${this.name}#${++this.calls} ${what}`;
    const kinds = { ...anyCall, ...(mayFail === undefined ? {} : { fail: 4, "fail-after": 4 }), ...faults };
    const fault = this.faults.at(place, kinds);
    this.trace(() => `${place} ${fault ?? ""}`);
    if (fault === "crash-before") {
      this.kill();
      return never();
    }
    if (fault === "freeze") this.freeze(this.faults.random(`${place} for`).pick([30, 200, 700, 1500]));
    const slow = fault === "slow" ? this.faults.random(`${place} for`).pick([40, 200, 900]) : 0;
    return new Promise<T>((resolve, reject) => {
      const answered = (): void => this.kill();
      const answer = (settle: () => void): void => {
        this.scheduler.after(this.latencyMs(), () => this.deliver(fault === "crash-after" ? answered : settle));
      };
      this.scheduler.after(this.latencyMs() + slow, () => {
        if (fault === "fail") return answer(() => reject((mayFail as () => Error)()));
        const succeed = (value: T): void => answer(() => (fault === "fail-after" ? reject((mayFail as () => Error)()) : resolve(value)));
        try {
          const result = work();
          if (result instanceof Promise) result.then(succeed, (error: unknown) => answer(() => reject(error as Error)));
          else succeed(result);
        } catch (error) {
          answer(() => reject(error as Error));
        }
      });
    });
  }
}
