import { setTimeout as sleep } from "node:timers/promises";
import { statusTopic, type WorkerAnnouncement } from "@reprise/engine";
import type { RecordProducer } from "@reprise/kafka";
import type { Logger } from "pino";

const intervalMs = 1_000;

/** Says once a second on the status topic where the worker is and what it runs; at once when that changes. */
export class Announcer {
  private readonly producer: RecordProducer;
  private readonly key: Buffer;
  private readonly current: () => Omit<WorkerAnnouncement, "format" | "kind" | "atMs">;
  private readonly logger: Logger;
  private stopping = new AbortController();
  private readonly running: Promise<void>;

  constructor(producer: RecordProducer, current: () => Omit<WorkerAnnouncement, "format" | "kind" | "atMs">, logger: Logger) {
    const { deployment, slot } = current();
    this.producer = producer;
    this.key = Buffer.from(`worker/${deployment}/${slot}`);
    this.current = current;
    this.logger = logger;
    this.running = this.run();
  }

  /** Announces now rather than within a second. */
  async now(): Promise<void> {
    const announcement: WorkerAnnouncement = { format: 1, kind: "worker", atMs: Date.now(), ...this.current() };
    await this.producer.send(statusTopic, 0, this.key, Buffer.from(JSON.stringify(announcement)));
  }

  /** The worker is gone. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
    await this.producer.send(statusTopic, 0, this.key, null).catch(() => undefined);
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.now().catch((error: unknown) => this.logger.warn({ err: error }, "announcement failed"));
      await sleep(intervalMs, undefined, { signal }).catch(() => undefined);
    }
  }
}
