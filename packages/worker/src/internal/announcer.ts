import { setTimeout as sleep } from "node:timers/promises";
import { statusTopic, type WorkerAnnouncement } from "@reprise/engine";
import type { RecordProducer } from "@reprise/kafka";
import type { Logger } from "pino";

const intervalMs = 1_000;
const togetherMs = 10;

/** Says once a second on the status topic where the worker is and what it runs; at once when that changes. */
export class Announcer {
  private readonly producer: RecordProducer;
  private readonly key: Buffer;
  private readonly current: () => Omit<WorkerAnnouncement, "format" | "kind" | "atMs">;
  private readonly logger: Logger;
  private readonly stopping = new AbortController();
  /** Ends the pause before the next announcement. */
  private soon = new AbortController();
  private readonly running: Promise<void>;

  constructor(producer: RecordProducer, current: () => Omit<WorkerAnnouncement, "format" | "kind" | "atMs">, logger: Logger) {
    const { deployment, slot } = current();
    this.producer = producer;
    this.key = Buffer.from(`worker/${deployment}/${slot}`);
    this.current = current;
    this.logger = logger;
    this.running = this.run();
  }

  /** Announces soon rather than within a second: what it runs has changed. */
  changed(): void {
    this.soon.abort();
  }

  private async announce(): Promise<void> {
    const announcement: WorkerAnnouncement = { format: 1, kind: "worker", atMs: Date.now(), ...this.current() };
    await this.producer.send(statusTopic, 0, this.key, Buffer.from(JSON.stringify(announcement)));
  }

  /** The worker is gone. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.soon.abort();
    await this.running;
    await this.producer.send(statusTopic, 0, this.key, null).catch(() => undefined);
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      await this.announce().catch((error: unknown) => this.logger.warn({ err: error }, "announcement failed"));
      await sleep(intervalMs, undefined, { signal: this.soon.signal }).catch(() => undefined);
      // Several tasks change at once: one announcement for all.
      if (this.soon.signal.aborted) await sleep(togetherMs);
      this.soon = new AbortController();
    }
  }
}
