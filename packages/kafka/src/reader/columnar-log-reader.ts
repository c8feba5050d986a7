import type { LogReader, PartitionEnd, RecordColumns, TopicPartition } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { type KafkaConnectionOptions, parseBootstrap, wireConnection } from "../connection-options.ts";
import { Assignments } from "./internal/assignments.ts";
import { type Cluster, WireCluster } from "./internal/cluster.ts";
import { prepareCodecs } from "./internal/decompress.ts";
import { fetchErrorOf } from "./internal/fetch-errors.ts";
import type { FetchedPartition } from "./internal/fetch-response.ts";
import { LeaderFetcher, type LedPartition } from "./internal/leader-fetcher.ts";
import { backoffMs, type Leadership, LeaderResolver } from "./internal/leader-resolver.ts";
import { PartitionReader } from "./internal/partition-reader.ts";
import { ReaderSignal } from "./internal/reader-signal.ts";

/** Something that the reader tries again by itself, for logs and metrics. */
export interface ReaderRetry {
  /** What failed: `metadata`, or `topic-partition`. */
  readonly what: string;
  readonly backoffMs: number;
  readonly cause: unknown;
}

export interface ColumnarReaderOptions extends KafkaConnectionOptions {
  /** Default `reprise-reader`. */
  readonly clientId?: string;
  /**
   * How much of a partition is fetched ahead, in bytes as they come over the wire (compressed). Exceeded by one record batch
   * at most, when the batch is larger. Default 8 MiB.
   */
  readonly maxBufferedBytesPerPartition?: number;
  /** The same for all partitions together: with many of them each may buffer less. Default 256 MiB. */
  readonly maxBufferedBytes?: number;
  /** Most that one response may hold, in bytes. Default 48 MiB. */
  readonly fetchMaxBytes?: number;
  /**
   * How long a broker may wait for new records at the end of the log, in ms. Also the longest time that a partition which is assigned
   * meanwhile waits for its first fetch. Default 100.
   */
  readonly fetchMaxWaitMs?: number;
  /** Most that one record batch may decompress to, in bytes; a larger one is BATCH_CORRUPT. Default 64 MiB. */
  readonly maxBatchBytes?: number;
  /** Time for one answer of a broker, in ms, after which the connection is opened anew. Default 30,000. */
  readonly requestTimeoutMs?: number;
  readonly onRetry?: (retry: ReaderRetry) => void;
}

const mebibyte = 1_048_576;
const minPartitionBytes = 65_536;

/**
 * Reads over Kafka's Fetch protocol into columns, without an object per record. What it holds is bounded: fetched bytes by the
 * options, decompressed bytes by one batch (they belong to the taker).
 * @throws RepriseError INVALID_ARGUMENT, BROKER_UNREACHABLE, NOT_SUPPORTED (brokers before Kafka 3.1)
 * @example
 * const reader = await createColumnarReader({ bootstrap: "127.0.0.1:9092" });
 * reader.assign({ topic: "orders", partition: 0 }, 0);
 * await reader.wait(1_000);
 * const columns = reader.take({ topic: "orders", partition: 0 });
 */
export async function createColumnarReader(options: ColumnarReaderOptions): Promise<LogReader> {
  const cluster = new WireCluster(parseBootstrap(options.bootstrap), options.clientId ?? "reprise-reader", {
    ...wireConnection(options),
    requestTimeout: options.requestTimeoutMs ?? 30_000,
  });
  try {
    await Promise.all([cluster.connect(), prepareCodecs()]);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return new ColumnarLogReader(cluster, options);
}

/** `createColumnarReader` over any cluster. */
export class ColumnarLogReader implements LogReader {
  readonly #cluster: Cluster;
  readonly #options: Omit<ColumnarReaderOptions, "bootstrap">;
  readonly #assigned = new Assignments<PartitionReader>();
  readonly #leaders = new Map<PartitionReader, { readonly fetcher: LeaderFetcher; readonly led: LedPartition }>();
  readonly #fetchers = new Map<number, LeaderFetcher>();
  readonly #resolver: LeaderResolver;
  readonly #signal = new ReaderSignal();
  /** Out of range by a leader's word: whether it is true is asked before it is an error. */
  readonly #doubted = new Set<PartitionReader>();
  #closed = false;

  constructor(cluster: Cluster, options: Omit<ColumnarReaderOptions, "bootstrap"> = {}) {
    this.#cluster = cluster;
    this.#options = options;
    this.#resolver = new LeaderResolver(cluster, {
      found: (reader, leadership) => this.#attach(reader, leadership),
      failed: () => this.#signal.raise(),
      retrying: (what, pauseMs, cause) => options.onRetry?.({ what, backoffMs: pauseMs, cause }),
    });
  }

  /** A topic that does not exist is found out later, and thrown by `take`. @throws RepriseError INVALID_ARGUMENT */
  assign(partition: TopicPartition, offset: number): void {
    if (this.#closed) throw new RepriseError("ILLEGAL_STATE", "The reader is closed.");
    if (!Number.isSafeInteger(offset) || offset < 0) {
      throw new RepriseError("INVALID_ARGUMENT", `${partition.topic}-${partition.partition} can't be read from offset ${offset}.`, {
        details: { topic: partition.topic, partition: partition.partition, offset },
      });
    }
    this.#release(partition);
    const reader = new PartitionReader(partition.topic, partition.partition, offset, this.#options.maxBatchBytes ?? 64 * mebibyte);
    this.#assigned.set(partition, reader);
    this.#resolver.resolve(reader);
  }

  unassign(partition: TopicPartition): void {
    this.#release(partition);
    if (!this.#assigned.hasTopic(partition.topic)) this.#resolver.forgetTopic(partition.topic);
  }

  take(partition: TopicPartition): RecordColumns | undefined {
    const reader = this.#assigned.get(partition);
    if (reader === undefined || !reader.ready) return undefined;
    const columns = reader.take();
    if (reader.ready) this.#signal.raise();
    this.#leaders.get(reader)?.fetcher.wake();
    return columns;
  }

  end(partition: TopicPartition): PartitionEnd | undefined {
    return this.#assigned.get(partition)?.end;
  }

  /**
   * Resolves, in the next turn of the event loop, when there is something to take that came since the last wait, or that the last take of its
   * partition left. What was seen and not taken wakes nobody twice: who holds a partition back on purpose (a follower, a merge) sleeps.
   */
  wait(timeoutMs: number): Promise<void> {
    return this.#signal.wait(timeoutMs);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#resolver.close();
    for (const fetcher of this.#fetchers.values()) fetcher.close();
    for (const reader of this.#assigned.values()) reader.release();
    this.#signal.close();
    await this.#cluster.close();
  }

  #release(partition: TopicPartition): void {
    const reader = this.#assigned.delete(partition);
    if (reader === undefined) return;
    reader.release();
    this.#doubted.delete(reader);
    this.#resolver.forget(reader);
    this.#detach(reader);
  }

  #attach(reader: PartitionReader, { node, epoch, topicId }: Leadership): void {
    const led = { reader, topicId, leaderEpoch: epoch };
    if (this.#doubted.delete(reader)) {
      void this.#checkRange(led, node);
      return;
    }
    let fetcher = this.#fetchers.get(node);
    if (fetcher === undefined) {
      fetcher = this.#newFetcher(node);
      this.#fetchers.set(node, fetcher);
    }
    this.#leaders.set(reader, { fetcher, led });
    fetcher.add(led);
    // Later, so that partitions that are found together are asked for together.
    setImmediate(() => fetcher.wake());
  }

  #newFetcher(node: number): LeaderFetcher {
    const {
      maxBufferedBytesPerPartition = 8 * mebibyte,
      maxBufferedBytes = 256 * mebibyte,
      fetchMaxBytes = 48 * mebibyte,
      fetchMaxWaitMs = 100,
    } = this.#options;
    const partitionBytes = (): number =>
      Math.max(minPartitionBytes, Math.min(maxBufferedBytesPerPartition, Math.floor(maxBufferedBytes / Math.max(1, this.#assigned.size))));
    return new LeaderFetcher(
      node,
      this.#cluster,
      { maxWaitMs: fetchMaxWaitMs, maxBytes: fetchMaxBytes, partitionBytes },
      {
        answered: (led, fetched) => this.#answered(led, fetched),
        failed: (partitions, error) => {
          for (const { reader } of partitions) if (!reader.released) this.#retry(reader, error);
        },
      },
    );
  }

  #detach(reader: PartitionReader): void {
    this.#leaders.get(reader)?.fetcher.remove(reader);
    this.#leaders.delete(reader);
  }

  #answered({ reader }: LedPartition, fetched: FetchedPartition): void {
    if (fetched.errorCode === 0 && fetched.divergingEndOffset === undefined) {
      const { batches, endMoved } = reader.accept(fetched);
      if (batches || endMoved) this.#signal.raise();
      return;
    }
    const found = fetchErrorOf(reader, fetched);
    if (found.kind === "fatal") this.#fail(reader, found.error);
    else {
      if (found.kind === "out-of-range") this.#doubted.add(reader);
      this.#retry(reader, found.error);
    }
  }

  #fail(reader: PartitionReader, error: RepriseError): void {
    this.#detach(reader);
    reader.fail(error);
    this.#signal.raise();
  }

  /** After a back-off the leader is looked up again, and asked for the same position. */
  #retry(reader: PartitionReader, cause: unknown): void {
    this.#detach(reader);
    reader.failures++;
    const pauseMs = backoffMs(reader.failures);
    this.#options.onRetry?.({ what: `${reader.topic}-${reader.partition}`, backoffMs: pauseMs, cause });
    const retry = (): void => {
      if (!reader.released) this.#resolver.resolve(reader);
    };
    setTimeout(retry, pauseMs).unref();
  }

  async #checkRange({ reader, leaderEpoch }: LedPartition, node: number): Promise<void> {
    const { topic, partition, fetchOffset } = reader;
    try {
      const { earliest, latest } = await this.#cluster.offsets(node, topic, partition, leaderEpoch);
      if (reader.released) return;
      if (fetchOffset >= earliest && fetchOffset <= latest)
        return this.#retry(reader, new Error(`Offset ${fetchOffset} is there after all.`));
      const message =
        fetchOffset < earliest
          ? `The log of ${topic}-${partition} begins at offset ${earliest}, and offset ${fetchOffset} was asked for: its head was deleted.`
          : `The log of ${topic}-${partition} ends at offset ${latest}, and offset ${fetchOffset} was asked for.`;
      const details = { topic, partition, offset: fetchOffset, logStartOffset: earliest, logEndOffset: latest };
      this.#fail(reader, new RepriseError("INPUT_TRUNCATED", message, { details }));
    } catch (error) {
      if (reader.released) return;
      this.#doubted.add(reader);
      this.#retry(reader, error);
    }
  }
}
