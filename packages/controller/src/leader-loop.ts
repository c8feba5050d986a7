import type { Clock } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { Clocks } from "./clocks.ts";
import { announcementExpiryMs } from "./control/status-board.ts";
import type { ControllerContext } from "./controller-context.ts";
import type { WakeUp } from "./internal/wake-up.ts";
import type { Reconciler } from "./reconciler.ts";

const heartbeatMs = 1_000;
const standbyPollMs = 500;
const failurePauseMs = 1_000;

export interface LeaderLoopOptions {
  readonly clock: Clock;
  readonly context: ControllerContext;
  readonly reconciler: Reconciler;
  readonly clocks: Clocks;
  /** Ends the pause between two passes: something changed. */
  readonly wakeUp: WakeUp;
  readonly intervalMs: number;
  /** Lead at once although another one's heartbeat is fresh; it will be fenced. */
  readonly takeOver: boolean;
  readonly url: string;
  readonly fatal: () => unknown;
}

/** Leads when nobody else does: begins a term, makes passes and announces itself until it is fenced or stopped. */
export class LeaderLoop {
  readonly #options: LeaderLoopOptions;
  #stopped = false;
  #announcedAtMs = 0;
  #takeOver: boolean;
  #done: Promise<void> = Promise.resolve();

  constructor(options: LeaderLoopOptions) {
    this.#options = options;
    this.#takeOver = options.takeOver;
  }

  start(): void {
    this.#done = this.#run();
  }

  /** The present pass is finished first. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.wakeUp.wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { context, wakeUp, intervalMs, fatal } = this.#options;
    while (!this.#stopped) {
      try {
        if (fatal() !== undefined) {
          context.stepDown();
          await wakeUp.wait(standbyPollMs);
        } else if (context.leading) {
          await this.#lead();
          await wakeUp.wait(intervalMs);
        } else if (this.#mayLead()) {
          await context.beginTerm();
          this.#takeOver = false;
          context.logger.info({ revision: context.state.revision }, "leading");
        } else {
          await wakeUp.wait(standbyPollMs);
        }
      } catch (error) {
        await this.#failed(error);
      }
    }
  }

  async #lead(): Promise<void> {
    const { clock, context, reconciler, clocks, url } = this.#options;
    const nowMs = clock.epochMs();
    clocks.tick(context.state, nowMs);
    if (nowMs - this.#announcedAtMs >= heartbeatMs) {
      this.#announcedAtMs = nowMs;
      // Not awaited: a heartbeat that is late must not hold up a cutover.
      void context.board
        .announce({ format: 1, kind: "controller", url, pid: process.pid, atMs: nowMs })
        .catch((error: unknown) => context.logger.warn({ err: error }, "the heartbeat could not be written"));
    }
    await reconciler.pass();
  }

  /**
   * Design section 6: only when the leader's heartbeat is too old. Our own, from before a term that ended in doubt, does not count;
   * but who was fenced gives the one who did it time to announce itself.
   */
  #mayLead(): boolean {
    const { clock, context, url } = this.#options;
    if (this.#takeOver) return true;
    const leader = context.board.leader();
    if (leader !== undefined && leader.url !== url) return false;
    return clock.epochMs() - context.fencedAtMs >= announcementExpiryMs;
  }

  async #failed(error: unknown): Promise<void> {
    const { context, wakeUp } = this.#options;
    if (RepriseError.is(error) && error.code === "NOT_LEADER") context.logger.warn({ err: error }, "the term is over");
    else context.logger.error({ err: error }, "a pass failed and will be tried again");
    if (!this.#stopped) await wakeUp.wait(failurePauseMs);
  }
}
