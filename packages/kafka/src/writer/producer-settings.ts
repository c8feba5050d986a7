import { type KafkaConnectionOptions, librdkafkaConnection } from "../connection-options.ts";

/** The coordinator aborts a transaction that is open for longer, and fences its producer. */
export const transactionTimeoutMs = 10_000;

/** A topic that is unknown for longer fails its records, so that a transaction with a missing topic is aborted, not timed out. */
const unknownTopicMs = 3_000;

export function producerSettings(options: KafkaConnectionOptions): Record<string, string | number | boolean> {
  return {
    ...librdkafkaConnection(options),
    "enable.idempotence": true,
    acks: "all",
    // Transactional calls wait this long between tries, also where no error is: 14 to 19 transactions/s with the default of 100.
    "retry.backoff.ms": 1,
    "retry.backoff.max.ms": 100,
    "reconnect.backoff.ms": 10,
    "reconnect.backoff.max.ms": 1_000,
    "linger.ms": 5,
    "batch.num.messages": 10_000,
    "compression.type": "lz4",
    "queue.buffering.max.messages": queueLimits.records,
    "queue.buffering.max.kbytes": queueLimits.kilobytes,
    "topic.metadata.propagation.max.ms": unknownTopicMs,
    // The default of 60 s would hold up a commit for as long as a frozen broker.
    "socket.timeout.ms": 10_000,
    "socket.nagle.disable": true,
  };
}

/** Far above what a commit holds: `drain` is what bounds memory, these are the last resort. */
export const queueLimits = { records: 2_000_000, kilobytes: 1_048_576 } as const;
