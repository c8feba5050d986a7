import type { Clock, ControlEvent, ControlState } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { Logger } from "pino";
import type { Cluster } from "./cluster.ts";
import type { ControlLog } from "./control/control-log.ts";
import type { StatusBoard } from "./control/status-board.ts";
import { Exclusive } from "./internal/exclusive.ts";
import type { Observer } from "./observe/observer.ts";

/** What the parts of one controller share, and the only way in which they write. */
export class ControllerContext {
  readonly clock: Clock;
  readonly cluster: Cluster;
  readonly controlLog: ControlLog;
  readonly board: StatusBoard;
  readonly observer: Observer;
  readonly logger: Logger;
  /** Who acts when nobody asked: `controller@host`. */
  readonly self: string;
  readonly #writing = new Exclusive();
  #leading = false;
  #fencedAtMs = 0;

  constructor(parts: Pick<ControllerContext, "clock" | "cluster" | "controlLog" | "board" | "observer" | "logger" | "self">) {
    this.clock = parts.clock;
    this.cluster = parts.cluster;
    this.controlLog = parts.controlLog;
    this.board = parts.board;
    this.observer = parts.observer;
    this.logger = parts.logger;
    this.self = parts.self;
  }

  get state(): ControlState {
    return this.controlLog.state;
  }

  get leading(): boolean {
    return this.#leading;
  }

  /** When another controller last took over from this one; 0: never. */
  get fencedAtMs(): number {
    return this.#fencedAtMs;
  }

  /** Design section 6: initTransactions, read to the end, then act. */
  async beginTerm(): Promise<void> {
    await this.#writing.run(async () => {
      await this.controlLog.beginTerm();
      this.#leading = true;
    });
  }

  stepDown(): void {
    this.#leading = false;
  }

  /** Decides on the newest state and writes what was decided, with nothing in between. @throws RepriseError NOT_LEADER */
  decide<T>(
    decision: (
      state: ControlState,
    ) =>
      | { readonly event: ControlEvent; readonly idempotencyKey: string; readonly by?: string; readonly answer: (revision: number) => T }
      | { readonly done: T },
  ): Promise<T> {
    return this.#writing.run(async () => {
      this.requireLead();
      const decided = decision(this.state);
      if ("done" in decided) return decided.done;
      try {
        const revision = await this.controlLog.append(decided.event, decided.idempotencyKey, decided.by ?? this.self);
        this.logger.info({ event: decided.event, revision, by: decided.by ?? this.self }, `control: ${decided.event.type}`);
        return decided.answer(revision);
      } catch (error) {
        // Written or not, another one may lead now: everything else waits for a new term.
        this.#leading = false;
        if (RepriseError.is(error) && error.details.outcome === "fenced") this.#fencedAtMs = this.clock.epochMs();
        throw error;
      }
    });
  }

  /** Writes an event of the controller's own accord if `check` holds when its turn comes; false: it does not, or it was written before. */
  appendIf(check: (state: ControlState) => boolean, event: ControlEvent, idempotencyKey: string): Promise<boolean> {
    return this.decide<boolean>((state) =>
      check(state) && !state.applied.has(idempotencyKey) ? { event, idempotencyKey, answer: () => true } : { done: false },
    );
  }

  /** @throws RepriseError NOT_LEADER naming the leader as far as it is known */
  requireLead(): void {
    if (this.#leading) return;
    const leader = this.board.leader()?.url;
    throw new RepriseError("NOT_LEADER", `This controller does not lead${leader === undefined ? "" : `; ${leader} does`}.`, {
      details: { leader },
    });
  }
}
