import type { Clock, LogReader, TopicPartition } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";

/** A record of a small topic, key and value as text. */
export interface TailRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: string | null;
  readonly value: string | null;
}

export interface TopicTailOptions {
  readonly clock: Clock;
  readonly reader: LogReader;
  readonly partition: TopicPartition;
  /** The last stable offset, asked of Kafka now. */
  readonly endOffset: () => Promise<number>;
  readonly from: number;
  readonly onRecord: (record: TailRecord) => void;
  /** Reading has ended for good: the topic is gone, truncated, or holds what can't be read. */
  readonly onFailure: (error: unknown) => void;
}

/** Reads one partition of a small topic from an offset on, for ever, and tells how far it is. */
export class TopicTail {
  readonly #options: TopicTailOptions;
  #position: number;
  #stopped = false;
  #failure: Error | undefined;
  #waiting: (() => void)[] = [];
  #done: Promise<void> = Promise.resolve();

  constructor(options: TopicTailOptions) {
    this.#options = options;
    this.#position = options.from;
  }

  /** The next offset: every record below it was handed over. */
  get position(): number {
    return this.#position;
  }

  start(): void {
    this.#options.reader.assign(this.#options.partition, this.#options.from);
    this.#done = this.#run();
  }

  /** Resolves when everything was handed over that was committed before the call. */
  async readToEnd(timeoutMs = 30_000): Promise<void> {
    const end = await this.#options.endOffset();
    await this.until(() => this.#position >= end, timeoutMs);
  }

  /** @throws RepriseError KAFKA_FAILED when it does not become true in time; what reading failed with when it has ended */
  async until(condition: () => boolean, timeoutMs: number): Promise<void> {
    const { clock } = this.#options;
    const deadline = clock.epochMs() + timeoutMs;
    for (;;) {
      if (condition()) return;
      if (this.#failure !== undefined) throw this.#failure;
      const left = deadline - clock.epochMs();
      if (left <= 0 || this.#stopped) {
        const { topic } = this.#options.partition;
        throw new RepriseError("KAFKA_FAILED", `Reading ${topic} did not get to its end within ${timeoutMs} ms.`, {
          details: { topic, position: this.#position },
        });
      }
      await this.#nextStep(left);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { reader, partition } = this.#options;
    try {
      while (!this.#stopped) {
        const taken = this.#take();
        if (!taken) await reader.wait(500);
      }
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#wake();
      if (!this.#stopped) this.#options.onFailure(error);
    } finally {
      reader.unassign(partition);
    }
  }

  #take(): boolean {
    const columns = this.#options.reader.take(this.#options.partition);
    if (columns === undefined) return false;
    const { bytes, keyStarts, keyLengths, valueStarts, valueLengths } = columns;
    for (let i = 0; i < columns.count; i++) {
      this.#options.onRecord({
        offset: columns.offsets[i] as number,
        timestampMs: columns.timestamps[i] as number,
        key: textOf(bytes, keyStarts[i] as number, keyLengths[i] as number),
        value: textOf(bytes, valueStarts[i] as number, valueLengths[i] as number),
      });
    }
    this.#position = columns.nextOffset;
    this.#wake();
    return true;
  }

  #nextStep(timeoutMs: number): Promise<void> {
    const woken = new AbortController();
    this.#waiting.push(() => woken.abort());
    return this.#options.clock.sleep(timeoutMs, woken.signal);
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

function textOf(bytes: Buffer, start: number, length: number): string | null {
  return length < 0 ? null : bytes.toString("utf8", start, start + length);
}
