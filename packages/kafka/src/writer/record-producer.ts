import { partitionForKey, type RecordHeader } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { KafkaConnectionOptions } from "../connection-options.ts";
import { openCluster } from "../internal/cluster.ts";
import { called, isNativeError, nativeCode } from "../internal/native-client.ts";
import { kafkaError } from "../internal/wire-error.ts";
import { type ConnectedProducer, connectProducer, nativeHeaders, nativeTimestamp } from "./native-producer.ts";
import { producerSettings } from "./producer-settings.ts";

/** Idempotent, without transactions: status records, loaders, tests. */
export interface RecordProducer {
  /**
   * Resolves with the record's offset when all in-sync replicas have it. `partition` null: by murmur2 of the key, as Java places
   * it; without a key, in turns. @throws RepriseError TOPIC_MISSING, KAFKA_FAILED
   */
  send(
    topic: string,
    partition: number | null,
    key: Uint8Array | null,
    value: Uint8Array | null,
    headers?: readonly RecordHeader[],
    timestampMs?: number,
  ): Promise<number>;
  /** Resolves when everything sent so far is delivered or has failed; each `send` tells which. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface RecordProducerOptions extends KafkaConnectionOptions {
  /** Default 30 s: connecting. */
  readonly connectTimeoutMs?: number;
  /** Default 30 s: after it an undelivered record fails. */
  readonly deliveryTimeoutMs?: number;
}

interface Waiting {
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
}

/** First in, first out, without moving what is left: a loader may have a million records on the way. */
interface WaitingQueue {
  items: (Waiting | undefined)[];
  head: number;
}

interface DeliveryReport {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/** @throws RepriseError BROKER_UNREACHABLE at the first `send` */
export function createRecordProducer(options: RecordProducerOptions): RecordProducer {
  const connectTimeoutMs = options.connectTimeoutMs ?? 30_000;
  const deliveryTimeoutMs = options.deliveryTimeoutMs ?? 30_000;
  // Reports of one partition come in the order of the calls (idempotence), so no handle has to travel with a record.
  const waiting = new Map<string, WaitingQueue>();
  const cluster = openCluster({ ...options, clientId: "reprise-producer" });
  const partitionCounts = new Map<string, Promise<number>>();
  let connecting: Promise<ConnectedProducer> | undefined;
  let turn = 0;
  let closed = false;

  function connected(): Promise<ConnectedProducer> {
    connecting ??= connectProducer(
      { ...producerSettings(options), "message.timeout.ms": deliveryTimeoutMs, dr_cb: true },
      connectTimeoutMs,
      (producer) => {
        producer.on("delivery-report", (error, report: DeliveryReport) => delivered(error, report));
      },
    ).catch((error: unknown) => {
      connecting = undefined;
      throw error;
    });
    return connecting;
  }

  function delivered(error: unknown, report: DeliveryReport): void {
    const first = next(waiting.get(`${report.partition}/${report.topic}`));
    if (first === undefined) return;
    if (!error) {
      first.resolve(report.offset);
      return;
    }
    const code = isNativeError(error) ? error.code : undefined;
    // The topic may have been created anew, with another partition count.
    partitionCounts.delete(report.topic);
    // An idempotent producer that lost its sequence refuses everything from then on: the next record gets a new one.
    if (code === nativeCode.fatal || (isNativeError(error) && error.isFatal === true)) replaceProducer();
    const message = `A record for partition ${report.partition} of '${report.topic}' was not delivered: ${error instanceof Error ? error.message : (error as { message?: string }).message}`;
    first.reject(
      new RepriseError("KAFKA_FAILED", message, {
        details: { topic: report.topic, partition: report.partition, kafkaCode: code },
        cause: error,
      }),
    );
  }

  function replaceProducer(): void {
    const old = connecting;
    connecting = undefined;
    void old?.then((producer) => producer.disconnect(0));
  }

  function next(queue: WaitingQueue | undefined): Waiting | undefined {
    if (queue === undefined || queue.head === queue.items.length) return undefined;
    const first = queue.items[queue.head];
    queue.items[queue.head++] = undefined;
    if (queue.head === queue.items.length) [queue.items, queue.head] = [[], 0];
    return first;
  }

  function partitionsOf(topic: string): Promise<number> {
    const known = partitionCounts.get(topic);
    if (known !== undefined) return known;
    const asked = (async () => {
      const found = (await cluster.metadata([topic])).topics[0];
      if (found === undefined || found.errorCode === kafkaError.unknownTopicOrPartition) {
        throw new RepriseError("TOPIC_MISSING", `The topic '${topic}' does not exist.`, { details: { topic } });
      }
      return found.partitions.length;
    })();
    partitionCounts.set(topic, asked);
    // A topic may be created later.
    asked.catch(() => partitionCounts.delete(topic));
    return asked;
  }

  function place(partition: number | null, key: Uint8Array | null, count: number): number {
    if (partition !== null) return partition;
    return key === null ? turn++ % count : partitionForKey(key, count);
  }

  return {
    async send(topic, partition, key, value, headers, timestampMs) {
      if (closed) throw new RepriseError("KAFKA_FAILED", "This record producer was closed.");
      const [{ native }, count] = await Promise.all([connected(), partitionsOf(topic)]);
      const chosen = place(partition, key, count);
      if (chosen < 0 || chosen >= count) {
        throw new RepriseError("TOPIC_MISSING", `The topic '${topic}' has ${count} partitions, so there is no partition ${chosen}.`, {
          details: { topic, partition: chosen },
        });
      }
      const time = nativeTimestamp(timestampMs ?? Date.now());
      for (;;) {
        const code =
          headers === undefined || headers.length === 0
            ? native.produce(topic, chosen, value, key, time)
            : native.produce(topic, chosen, value, key, time, undefined, nativeHeaders(headers));
        if (code === 0) break;
        if (code !== nativeCode.queueFull) {
          throw new RepriseError("KAFKA_FAILED", `A record for partition ${chosen} of '${topic}' was refused with ${code}.`, {
            details: { topic, partition: chosen, kafkaCode: code },
          });
        }
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return await new Promise<number>((resolve, reject) => {
        const name = `${chosen}/${topic}`;
        const queue = waiting.get(name);
        if (queue === undefined) waiting.set(name, { items: [{ resolve, reject }], head: 0 });
        else queue.items.push({ resolve, reject });
      });
    },
    async flush() {
      if (connecting === undefined) return;
      const { producer } = await connecting;
      const deadline = performance.now() + deliveryTimeoutMs + 5_000;
      for (;;) {
        const failed = await called((done) => producer.flush(1_000, done)).then(
          () => false,
          () => true,
        );
        if (!failed || performance.now() > deadline) break;
      }
      // Reports come on their own handle, a moment after the queue is empty.
      while ([...waiting.values()].some((queue) => queue.items.length > 0) && performance.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 1));
    },
    async close() {
      if (closed) return;
      await this.flush();
      closed = true;
      await (await connecting)?.disconnect(1_000);
      await cluster.close();
    },
  };
}
