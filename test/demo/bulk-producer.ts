import kafkaJavascript from "@confluentinc/kafka-javascript";
import { type KafkaConnectionOptions, librdkafkaConnection } from "@reprise/kafka";

/**
 * Writes many records fast: no promise and no report per record, only per failure. Idempotent, without transactions, so that the n-th
 * record of a partition that was empty is at offset n.
 */
export interface BulkProducer {
  /** False: the local queue is full and nothing was taken; try again a little later. @throws what the brokers refused so far */
  produce(topic: string, partition: number, key: Uint8Array, value: Uint8Array, timestampMs: number): boolean;
  /** Resolves when everything produced is acknowledged by all in-sync replicas. @throws what the brokers refused so far */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** The native object behind a producer answers with librdkafka's code. */
interface NativeProduce {
  produce(topic: string, partition: number, value: Uint8Array, key: Uint8Array, timestampMs: number): number;
}

const queueFull = -184;

/** @throws when no broker answers within 30 s */
export async function createBulkProducer(options: KafkaConnectionOptions): Promise<BulkProducer> {
  const producer = new kafkaJavascript.Producer({
    ...librdkafkaConnection(options),
    "enable.idempotence": true,
    "compression.type": "lz4",
    // Large batches: this is for throughput, the pace of what arrives is in tens of milliseconds anyway.
    "linger.ms": 20,
    "batch.num.messages": 20_000,
    "queue.buffering.max.messages": 200_000,
    "message.timeout.ms": 120_000,
    // A broker that is started again is there at once, not within ten seconds.
    "reconnect.backoff.max.ms": 500,
    dr_cb: true,
    "delivery.report.only.error": true,
  } as never);
  let failure: Error | undefined;
  producer.on("delivery-report", (error) => {
    if (error) failure ??= new Error(`a flight was not delivered: ${error.message}`, { cause: error });
  });
  await called((done) => producer.connect({ timeout: 30_000 }, done));
  producer.setPollInBackground(true);
  const native = producer.getClient() as NativeProduce;
  const check = (): void => {
    if (failure !== undefined) throw failure;
  };
  return {
    produce(topic, partition, key, value, timestampMs) {
      const code = native.produce(topic, partition, value, key, timestampMs);
      if (code === 0) return true;
      check();
      if (code !== queueFull) throw new Error(`a flight for ${topic}/${partition} was refused with librdkafka's code ${code}`);
      return false;
    },
    async flush() {
      await called((done) => producer.flush(150_000, done));
      check();
    },
    async close() {
      await new Promise((resolve) => producer.disconnect(1_000, resolve));
    },
  };
}

function called(call: (done: (error: unknown) => void) => void): Promise<void> {
  return new Promise((resolve, reject) =>
    call((error) => (error ? reject(error instanceof Error ? error : new Error("the producer failed", { cause: error })) : resolve())),
  );
}
