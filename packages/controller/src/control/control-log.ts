import {
  type Clock,
  type ControlEvent,
  type ControlRecord,
  type ControlState,
  controlTopic,
  emptyControlState,
  foldControl,
  type TransactionalWriter,
  type TransactionOutcome,
} from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { ControlHistory } from "./control-history.ts";
import type { TailRecord, TopicTail } from "./topic-tail.ts";

/** Our own record must be seen within this time after its transaction was committed; otherwise the term is over. */
const readBackTimeoutMs = 15_000;

/**
 * The control topic: its fold, and the one way to add to it. An event is a transaction with a single record under the controller's
 * transactional id, so a controller that was replaced can't write any more, however late it wakes up.
 */
export class ControlLog {
  readonly history = new ControlHistory();
  readonly #clock: Clock;
  readonly #tail: TopicTail;
  readonly #writer: TransactionalWriter;
  readonly #onChange: () => void;
  #state: ControlState = emptyControlState;

  constructor(options: {
    readonly clock: Clock;
    readonly tail: (onRecord: (record: TailRecord) => void) => TopicTail;
    readonly writer: TransactionalWriter;
    readonly onChange: () => void;
  }) {
    this.#clock = options.clock;
    this.#writer = options.writer;
    this.#onChange = options.onChange;
    this.#tail = options.tail((record) => this.#apply(record));
  }

  get state(): ControlState {
    return this.#state;
  }

  /** Begins to read; resolves when the fold holds everything committed until now. */
  start(): Promise<void> {
    this.#tail.start();
    return this.#tail.readToEnd();
  }

  /** Design section 6: `initTransactions`, then read to the end, then act. Whoever led before is fenced from here on. */
  async beginTerm(): Promise<void> {
    await this.#writer.init();
    await this.#tail.readToEnd();
  }

  /**
   * Adds an event and waits until the fold holds it.
   * @returns the revision at which it took effect
   * @throws RepriseError NOT_LEADER when this controller was replaced, or can't tell whether it was written: the term is over
   */
  async append(event: ControlEvent, idempotencyKey: string, by: string): Promise<number> {
    const record: ControlRecord = { format: 1, idempotencyKey, atMs: this.#clock.epochMs(), by, event };
    const outcome = await this.#write(record);
    if (outcome.kind !== "committed") {
      throw new RepriseError("NOT_LEADER", `Event ${event.type} was not written: its transaction was ${outcome.kind}.`, {
        cause: outcome.cause,
        details: { event: event.type, outcome: outcome.kind },
      });
    }
    await this.#tail.until(() => this.#state.applied.has(idempotencyKey), readBackTimeoutMs);
    return this.#state.applied.get(idempotencyKey) as number;
  }

  async stop(): Promise<void> {
    await this.#tail.stop();
    await this.#writer.close();
  }

  async #write(record: ControlRecord): Promise<TransactionOutcome> {
    try {
      await this.#writer.begin();
      this.#writer.produce(controlTopic, 0, Buffer.from(entityOf(record.event)), Buffer.from(JSON.stringify(record)), record.atMs);
      return await this.#writer.commit([]);
    } catch (cause) {
      return { kind: RepriseError.is(cause) && cause.code === "PRODUCER_FENCED" ? "fenced" : "in-doubt", cause };
    }
  }

  #apply({ offset, value }: TailRecord): void {
    if (value === null) return;
    const record = JSON.parse(value) as ControlRecord;
    if (record.format !== 1) {
      throw new RepriseError(
        "CONTROL_LOST",
        `The control topic has a record of format ${String(record.format)} at offset ${offset}; this release reads format 1.`,
        {
          details: { offset },
        },
      );
    }
    this.#state = foldControl(this.#state, record, offset);
    this.history.add(record);
    this.#onChange();
  }
}

function entityOf(event: ControlEvent): string {
  switch (event.type) {
    case "DeploymentCreated":
      return `deployment/${event.deployment.id}`;
    case "DeploymentStateChanged":
      return `deployment/${event.deployment}`;
    default:
      return `processor/${event.processor}`;
  }
}
