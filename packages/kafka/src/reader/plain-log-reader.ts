import type { KafkaConsumer, Message } from "@confluentinc/kafka-javascript";
import type { LogReader, PartitionEnd, RecordColumns, TopicPartition } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { setTimeout as sleep } from "node:timers/promises";
import { type KafkaConnectionOptions, librdkafkaConnection } from "../connection-options.ts";
import { called, isNativeError, nativeClient } from "../internal/native-client.ts";
import type { ReaderRetry } from "./columnar-log-reader.ts";
import { Assignments } from "./internal/assignments.ts";
import { PlainPartition } from "./internal/plain-partition.ts";
import { PlainProbe } from "./internal/plain-probe.ts";
import { ReaderSignal } from "./internal/reader-signal.ts";

export interface PlainReaderOptions extends KafkaConnectionOptions {
  /** Default `reprise-reader`. */
  readonly clientId?: string;
  /** Bytes of keys and values above which a partition is paused until they are taken. Default 8 MiB. */
  readonly maxBufferedBytesPerPartition?: number;
  /** How often ends and topic ids are asked for, in ms. Default 250. */
  readonly probeIntervalMs?: number;
  readonly onRetry?: (retry: ReaderRetry) => void;
}

/** What the binding has and its types lack. */
type Consumer = KafkaConsumer & {
  incrementalAssign(partitions: { topic: string; partition: number; offset: number }[]): void;
  incrementalUnassign(partitions: TopicPartition[]): void;
  setDefaultIsTimeoutOnlyForFirstMessage(only: boolean): void;
};

const messagesPerConsume = 5_000;
/** Assignments change between two calls of `consume` only, so this is also how long one may take. */
const consumeTimeoutMs = 50;
/** librdkafka's _BAD_MSG, BAD_MSG (corrupt) and BAD_COMPRESSION: a batch was not delivered. */
const corruptCodes: ReadonlySet<number> = new Set([-199, 2, -198]);

/**
 * Reads through librdkafka's consumer, a message object per record: a tenth of the columnar reader's speed, for conformance and for
 * clusters that the columnar reader can't talk to. The same port, with these differences:
 * - Ends are asked for every `probeIntervalMs` and not part of a fetch, so they are up to that old.
 * - INPUT_TRUNCATED, TOPIC_MISSING and TOPIC_RECREATED are found by the same probe. A topic that is created anew within one interval
 *   may deliver records of the new one first.
 * - Decompression is not bounded. librdkafka skips a batch with a wrong checksum and the binding may lose its error; when it
 *   is reported, no partition is named, and all assigned ones fail with BATCH_CORRUPT.
 * @throws RepriseError INVALID_ARGUMENT, BROKER_UNREACHABLE, KAFKA_FAILED when the native client can't be loaded
 */
export async function createPlainReader(options: PlainReaderOptions): Promise<LogReader> {
  const consumer = new (nativeClient().KafkaConsumer)(
    {
      ...librdkafkaConnection(options),
      "client.id": options.clientId ?? "reprise-reader",
      // A consumer must name a group; this one never joins or commits.
      "group.id": "reprise-plain-reader",
      "enable.auto.commit": false,
      "enable.auto.offset.store": false,
      "isolation.level": "read_committed",
      "enable.partition.eof": true,
      "check.crcs": true,
      "fetch.wait.max.ms": 100,
      "fetch.error.backoff.ms": 50,
      "reconnect.backoff.max.ms": 1_000,
      "queued.max.messages.kbytes": 16_384,
      "allow.auto.create.topics": false,
    } as never,
    // Never `earliest`: it silently jumps over what was deleted.
    { "auto.offset.reset": "error" } as never,
  ) as Consumer;
  try {
    await called((done) => consumer.connect({ timeout: 10_000 } as never, done as never));
  } catch (cause) {
    throw new RepriseError("BROKER_UNREACHABLE", `No Kafka broker answered (bootstrap ${options.bootstrap}).`, {
      cause,
      details: { bootstrap: options.bootstrap },
    });
  }
  return new PlainLogReader(consumer, options);
}

class PlainLogReader implements LogReader {
  readonly #consumer: Consumer;
  readonly #options: PlainReaderOptions;
  readonly #probe: PlainProbe;
  /** What the caller asked for. */
  readonly #wanted = new Assignments<PlainPartition>();
  /** What librdkafka was told. */
  readonly #assigned = new Assignments<PlainPartition>();
  readonly #signal = new ReaderSignal();
  /** Changes of the assignment, applied in order between two calls of `consume`. */
  readonly #changes: (() => void)[] = [];
  #closed = false;
  readonly #loops: Promise<unknown>;

  constructor(consumer: Consumer, options: PlainReaderOptions) {
    this.#consumer = consumer;
    this.#options = options;
    this.#probe = new PlainProbe(consumer);
    consumer.setDefaultConsumeTimeout(consumeTimeoutMs);
    consumer.setDefaultIsTimeoutOnlyForFirstMessage(true);
    consumer.on("data", (message: Message) => this.#receive(message));
    consumer.on("partition.eof", (eof) => this.#reachEnd(eof, eof.offset));
    this.#loops = Promise.all([this.#consume(), this.#look()]);
  }

  assign(partition: TopicPartition, offset: number): void {
    if (this.#closed) throw new RepriseError("ILLEGAL_STATE", "The reader is closed.");
    const { topic, partition: number } = partition;
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new RepriseError("INVALID_ARGUMENT", `${topic}-${number} can't be read from offset ${offset}.`, {
        details: { topic, partition: number, offset },
      });
    }
    this.unassign(partition);
    const reader = new PlainPartition(topic, number, offset);
    this.#wanted.set(partition, reader);
    this.#changes.push(() => {
      try {
        this.#consumer.incrementalAssign([{ topic, partition: number, offset }]);
        this.#assigned.set(reader, reader);
      } catch (cause) {
        const details = { topic, partition: number, offset };
        reader.error = new RepriseError("KAFKA_FAILED", `librdkafka does not assign ${topic}-${number}.`, { cause, details });
        this.#signal.raise();
      }
    });
  }

  unassign({ topic, partition }: TopicPartition): void {
    if (this.#wanted.delete({ topic, partition }) === undefined) return;
    this.#changes.push(() => {
      if (this.#assigned.delete({ topic, partition }) !== undefined) this.#consumer.incrementalUnassign([{ topic, partition }]);
    });
  }

  take(partition: TopicPartition): RecordColumns | undefined {
    const reader = this.#wanted.get(partition);
    if (reader === undefined || !reader.ready) return undefined;
    const columns = reader.take();
    if (reader.ready) this.#signal.raise();
    if (reader.paused) {
      reader.paused = false;
      this.#changes.push(() => {
        if (this.#assigned.get(partition) === reader) this.#consumer.resume([partition]);
      });
    }
    return columns;
  }

  end(partition: TopicPartition): PartitionEnd | undefined {
    return this.#wanted.get(partition)?.end;
  }

  wait(timeoutMs: number): Promise<void> {
    return this.#signal.wait(timeoutMs);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#signal.close();
    await this.#loops;
    await called((done) => this.#consumer.disconnect(done as never)).catch(() => undefined);
  }

  #receive(message: Message): void {
    const reader = this.#assigned.get(message);
    if (reader === undefined || reader.error !== undefined) return;
    reader.push(message);
    if (!reader.paused && reader.bufferedBytes > (this.#options.maxBufferedBytesPerPartition ?? 8_388_608)) {
      reader.paused = true;
      const { topic, partition } = reader;
      this.#changes.push(() => {
        if (reader.paused && this.#assigned.get(reader) === reader) this.#consumer.pause([{ topic, partition }]);
      });
    }
    this.#signal.raise();
  }

  #reachEnd(partition: TopicPartition, offset: number): void {
    const reader = this.#assigned.get(partition);
    if (reader === undefined || reader.error !== undefined) return;
    reader.reachedEnd(offset);
    if (reader.ready) this.#signal.raise();
  }

  async #consume(): Promise<void> {
    while (!this.#closed) {
      try {
        for (let change = this.#changes.shift(); change !== undefined; change = this.#changes.shift()) change();
        await called((done) => this.#consumer.consume(messagesPerConsume, done as never));
      } catch (error) {
        this.#consumeFailed(error);
        await sleep(consumeTimeoutMs);
      }
    }
  }

  #consumeFailed(error: unknown): void {
    this.#options.onRetry?.({ what: "consume", backoffMs: consumeTimeoutMs, cause: error });
    if (!isNativeError(error) || !corruptCodes.has(error.code)) return;
    for (const reader of this.#assigned.values()) {
      const { topic, partition, frontier } = reader;
      reader.error ??= new RepriseError(
        "BATCH_CORRUPT",
        `librdkafka could not read a batch of one of the assigned partitions: ${error.message}.`,
        {
          cause: error,
          details: { topic, partition, offset: frontier },
        },
      );
    }
    this.#signal.raise();
  }

  async #look(): Promise<void> {
    const intervalMs = this.#options.probeIntervalMs ?? 250;
    while (!this.#closed) {
      const readers = [...this.#assigned.values()];
      try {
        if (readers.length > 0 && (await this.#probe.look(readers))) this.#signal.raise();
      } catch (error) {
        this.#options.onRetry?.({ what: "metadata", backoffMs: intervalMs, cause: error });
      }
      await sleep(intervalMs);
    }
  }
}
