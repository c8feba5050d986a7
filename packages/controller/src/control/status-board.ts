import { type Clock, type ControllerAnnouncement, statusTopic, type WorkerAnnouncement } from "@reprise/engine";
import type { RecordWriter } from "../cluster.ts";
import type { TailRecord, TopicTail } from "./topic-tail.ts";

/** Announcements come every second; who was silent for so long is taken for gone. */
export const announcementExpiryMs = 10_000;

const controllerKey = "controller";

/** Writes to the status topic, not transactional: what stands there decides nothing. */
export type StatusWriter = Pick<RecordWriter, "send">;

interface Heard<T> {
  readonly said: T;
  readonly heardAtMs: number;
}

/** Who is there and where, as the status topic says. Ages count from when we heard it, so that other machines' clocks don't matter. */
export class StatusBoard {
  readonly #clock: Clock;
  readonly #tail: TopicTail;
  readonly #writer: StatusWriter;
  readonly #workers = new Map<string, Heard<WorkerAnnouncement>>();
  #controller: Heard<ControllerAnnouncement> | undefined;
  #live = false;

  constructor(options: {
    readonly clock: Clock;
    readonly tail: (onRecord: (record: TailRecord) => void) => TopicTail;
    readonly writer: StatusWriter;
  }) {
    this.#clock = options.clock;
    this.#writer = options.writer;
    this.#tail = options.tail((record) => this.#apply(record));
  }

  /** Resolves when everything is known that was said until now. */
  async start(): Promise<void> {
    this.#tail.start();
    await this.#tail.readToEnd();
    this.#live = true;
  }

  /** Those who spoke lately, by slot. */
  workers(deployment: string, nowMs = this.#clock.epochMs()): WorkerAnnouncement[] {
    return [...this.#workers.values()]
      .filter(({ said, heardAtMs }) => said.deployment === deployment && nowMs - heardAtMs < announcementExpiryMs)
      .map(({ said }) => said)
      .sort((a, b) => a.slot - b.slot);
  }

  /** The controller that spoke last, unless it was too long ago. */
  leader(nowMs = this.#clock.epochMs()): ControllerAnnouncement | undefined {
    const heard = this.#controller;
    return heard !== undefined && nowMs - heard.heardAtMs < announcementExpiryMs ? heard.said : undefined;
  }

  async announce(controller: ControllerAnnouncement): Promise<void> {
    await this.#writer.send(statusTopic, 0, Buffer.from(controllerKey), Buffer.from(JSON.stringify(controller)));
  }

  /** So that the next controller need not wait until we are taken for gone. */
  async leave(): Promise<void> {
    await this.#writer.send(statusTopic, 0, Buffer.from(controllerKey), null);
  }

  async stop(): Promise<void> {
    await this.#tail.stop();
  }

  #apply({ key, value, timestampMs }: TailRecord): void {
    if (key === null) return;
    const nowMs = this.#clock.epochMs();
    const heardAtMs = this.#live ? nowMs : Math.min(nowMs, timestampMs);
    if (key === controllerKey) {
      this.#controller = value === null ? undefined : { said: JSON.parse(value) as ControllerAnnouncement, heardAtMs };
    } else if (key.startsWith("worker/")) {
      if (value === null) this.#workers.delete(key);
      else this.#workers.set(key, { said: JSON.parse(value) as WorkerAnnouncement, heardAtMs });
    }
  }
}
