import type { KafkaConsumer } from "@confluentinc/kafka-javascript";
import { type CommittedOffset, failpoint, type RecordHeader, type TransactionalWriter, type TransactionOutcome } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { fence } from "../admin/fence.ts";
import type { KafkaConnectionOptions } from "../connection-options.ts";
import { openCluster } from "../internal/cluster.ts";
import { called, isNativeError, type NativeError, nativeCode } from "../internal/native-client.ts";
import { kafkaError } from "../internal/wire-error.ts";
import { classifyTransactionError, type TransactionCall, type TransactionVerdict } from "./classify-transaction-error.ts";
import { errorClassOf } from "./error-class.ts";
import { type ConnectedProducer, connectProducer, nativeHeaders, nativeTimestamp } from "./native-producer.ts";
import { producerSettings, transactionTimeoutMs } from "./producer-settings.ts";

export interface TransactionalWriterOptions extends KafkaConnectionOptions {
  readonly transactionalId: string;
  /** Whose group metadata goes with the offsets: that of the worker's membership. It must be connected when `commit` is called. */
  readonly consumer: KafkaConsumer;
  /** Default 30 s: how long `init` waits for brokers and coordinators. */
  readonly initTimeoutMs?: number;
}

/** One call blocks a libuv thread for at most this long; the same call is then made again. */
const callTimeoutMs = 2_000;
/** A transaction that is older than its time-out is decided by the coordinator; some seconds for its answer to arrive. */
const decisionTimeoutMs = transactionTimeoutMs + 5_000;
/** From here on `drain` waits: enough to keep the broker busy, little beside a worker's memory. */
const drainAbove = { records: 200_000, bytes: 64 * 1024 * 1024 } as const;

/** `ready`: between transactions. `broken`: only `init` and `close` make sense. */
type WriterState = "new" | "ready" | "open" | "broken" | "closed";

/**
 * A transactional producer on librdkafka. Guards beside Kafka's own:
 * - When a connection failed or a request timed out while a transaction was open, its outcome is `in-doubt` whatever the calls
 *   said: a delayed EndTxn of it may still be on its way and would end part of a later transaction of the same producer epoch
 *   (librdkafka has no KIP-890). `init` raises the epoch. It is left to the caller, who must look at the control log and the
 *   commit record after every `init`.
 * - When a broker refused a record, its abort is `in-doubt` as well: the producer's sequence numbers are ahead of the broker's from then on.
 * - `init` fences the id by a raw request first, which aborts what an earlier owner left open in 20 to 45 ms; librdkafka's own
 *   initTransactions then finds nothing to wait for (500 ms otherwise).
 */
export function createTransactionalWriter(options: TransactionalWriterOptions): TransactionalWriter {
  const { transactionalId, consumer } = options;
  const initTimeoutMs = options.initTimeoutMs ?? 30_000;
  let state: WriterState = "new";
  let current: ConnectedProducer | undefined;
  const retired: Promise<void>[] = [];
  let pendingRecords = 0;
  let pendingBytes = 0;
  /** What `produce` met and `commit` has to answer for. */
  let produceError: NativeError | undefined;

  function live(): ConnectedProducer {
    if (current === undefined) throw new RepriseError("KAFKA_FAILED", `The writer '${transactionalId}' was not initialised.`);
    return current;
  }

  function notOpen(): RepriseError {
    return new RepriseError("KAFKA_FAILED", `No transaction of '${transactionalId}' is open: the writer is ${state}.`, {
      details: { transactionalId, state },
    });
  }

  function retire(): void {
    if (current === undefined) return;
    // Nothing of it counts any more: flushing would only wait for time-outs.
    retired.push(current.disconnect(0));
    current = undefined;
  }

  async function init(): Promise<void> {
    if (state === "closed") throw new RepriseError("KAFKA_FAILED", `The writer '${transactionalId}' was closed.`);
    state = "broken";
    retire();
    const cluster = openCluster({ ...options, clientId: "reprise-writer" });
    try {
      const settings = {
        ...producerSettings(options),
        "transactional.id": transactionalId,
        "transaction.timeout.ms": transactionTimeoutMs,
        // Only those that failed: they say which record it was.
        dr_cb: true,
        "delivery.report.only.error": true,
      };
      const [producer] = await Promise.all([connectProducer(settings, initTimeoutMs), fence(cluster, [transactionalId])]);
      current = producer;
      failpoint("producer-fenced");
      await initTransactions(producer);
      failpoint("producer-initialised");
      state = "ready";
    } catch (error) {
      retire();
      throw error;
    } finally {
      await cluster.close();
    }
  }

  async function initTransactions(producer: ConnectedProducer): Promise<void> {
    const deadline = performance.now() + initTimeoutMs;
    for (;;) {
      const error = await attempt((done) => producer.producer.initTransactions(callTimeoutMs, done));
      if (error === undefined) return;
      const verdict = classifyTransactionError(error, "init");
      if (verdict === "retry" && performance.now() < deadline) continue;
      if (verdict === "fenced") {
        throw new RepriseError("PRODUCER_FENCED", `Another producer took the transactional id '${transactionalId}' at the same moment.`, {
          cause: error,
        });
      }
      if (verdict === "stop") throw denied(error);
      throw new RepriseError("KAFKA_FAILED", `The transactional id '${transactionalId}' can't be initialised: ${error.message}`, {
        details: { transactionalId, kafkaCode: error.code },
        cause: error,
      });
    }
  }

  /** Repeats one call until it succeeds or something else is to be done. */
  async function persist(
    call: TransactionCall,
    make: (done: (error: unknown) => void) => void,
  ): Promise<{ readonly verdict: "done" } | { readonly verdict: TransactionVerdict; readonly error: NativeError }> {
    const deadline = performance.now() + decisionTimeoutMs;
    for (;;) {
      const error = await attempt(make);
      if (error === undefined) return { verdict: "done" };
      const verdict = classifyTransactionError(error, call);
      if (verdict !== "retry") return { verdict, error };
      // Retried beyond any transaction's life. Before EndTxn it can still be aborted; after, nobody here can know.
      if (performance.now() > deadline) return { verdict: call === "offsets" ? "abort" : "replace", error };
    }
  }

  /** The end of a transaction, with the delayed-EndTxn guard. */
  async function ended(producer: ConnectedProducer, outcome: "committed" | "aborted", cause?: NativeError): Promise<TransactionOutcome> {
    // Log lines come on their own handle: those sent before the call's answer are in by the next turn.
    await new Promise((resolve) => setImmediate(resolve));
    const { undelivered } = producer;
    const why = undelivered ?? cause;
    const refused = why !== undefined && errorClassOf(why.code) === "refused" ? { refused: true as const } : {};
    if (producer.sawDisconnect) {
      state = "broken";
      const message = `A connection failed during a transaction of '${transactionalId}' (its end was answered: ${outcome}); the producer must be replaced.`;
      return {
        kind: "in-doubt",
        cause: new RepriseError("KAFKA_FAILED", message, { details: { transactionalId, answered: outcome }, cause }),
        ...refused,
      };
    }
    if (outcome === "committed") {
      state = "ready";
      return { kind: "committed" };
    }
    // Of a batch that a broker refused, librdkafka has counted the sequence numbers and the broker has not: the next batch would be refused too.
    // (A topic that is missing is found out before anything is sent.)
    if (undelivered !== undefined && undelivered.code > 0 && undelivered.code !== kafkaError.unknownTopicOrPartition) {
      state = "broken";
      return { kind: "in-doubt", cause: failed("aborted", cause, undelivered), ...refused };
    }
    state = "ready";
    return { kind: "aborted", cause: failed("aborted", cause, undelivered), ...refused };
  }

  function failed(what: string, cause: NativeError | undefined, undelivered?: ConnectedProducer["undelivered"]): RepriseError | undefined {
    if (cause === undefined) return undefined;
    const record =
      undelivered === undefined ? "" : ` (a record for partition ${undelivered.partition} of '${undelivered.topic}': ${undelivered.code})`;
    return new RepriseError("KAFKA_FAILED", `A transaction of '${transactionalId}' was ${what}: ${cause.message}${record}`, {
      details: {
        transactionalId,
        kafkaCode: undelivered?.code ?? cause.code,
        ...(undelivered === undefined ? {} : { topic: undelivered.topic, partition: undelivered.partition }),
      },
      cause,
    });
  }

  function denied(error: NativeError): RepriseError {
    const message = `Kafka denies the producer '${transactionalId}' what it needs: ${error.message}`;
    return new RepriseError("KAFKA_DENIED", message, { details: { transactionalId, kafkaCode: error.code }, cause: error });
  }

  function broken(verdict: TransactionVerdict, error: NativeError): TransactionOutcome {
    state = "broken";
    if (verdict === "stop") throw denied(error);
    if (verdict !== "fenced") return { kind: "in-doubt", cause: failed("left in doubt", error) };
    const message = `The producer '${transactionalId}' was fenced: another one took its id, or its transaction timed out (${error.message}).`;
    return {
      kind: "fenced",
      cause: new RepriseError("PRODUCER_FENCED", message, { details: { transactionalId, kafkaCode: error.code }, cause: error }),
    };
  }

  async function abortBecause(cause: NativeError | undefined): Promise<TransactionOutcome> {
    const producer = live();
    const result = await persist("abort", (done) => producer.producer.abortTransaction(callTimeoutMs, done));
    if ("error" in result) return broken(result.verdict, result.error);
    return await ended(producer, "aborted", cause);
  }

  /** After an error of the calls that end a transaction. Whatever was denied, what is open must not stall readers until it times out. */
  async function endedBy(verdict: TransactionVerdict, error: NativeError): Promise<TransactionOutcome> {
    if (verdict === "abort") return await abortBecause(error);
    if (verdict === "stop" && error.isFatal !== true) await attempt((done) => live().producer.abortTransaction(callTimeoutMs, done));
    return broken(verdict, error);
  }

  return {
    transactionalId,
    init,
    async begin() {
      if (state === "open") throw new RepriseError("KAFKA_FAILED", `A transaction of '${transactionalId}' is open already.`);
      if (state !== "ready")
        throw new RepriseError("KAFKA_FAILED", `The writer '${transactionalId}' must be initialised first: it is ${state}.`);
      const producer = live();
      pendingRecords = 0;
      pendingBytes = 0;
      produceError = undefined;
      // What happened between transactions is over: no request of a transaction was under way.
      producer.sawDisconnect = false;
      producer.undelivered = undefined;
      const error = await attempt((done) => producer.producer.beginTransaction(done));
      if (error === undefined) {
        state = "open";
        return;
      }
      const outcome = broken(classifyTransactionError(error, "begin"), error);
      throw "cause" in outcome ? outcome.cause : error;
    },
    produce(
      topic: string,
      partition: number,
      key: Uint8Array | null,
      value: Uint8Array | null,
      timestampMs: number,
      headers?: readonly RecordHeader[],
    ) {
      if (current === undefined || state !== "open") throw notOpen();
      const { native } = current;
      // Most records have no headers: five arguments keep the native side from looking for them.
      const code =
        headers === undefined || headers.length === 0
          ? native.produce(topic, partition, value, key, nativeTimestamp(timestampMs))
          : native.produce(topic, partition, value, key, nativeTimestamp(timestampMs), undefined, nativeHeaders(headers));
      if (code === 0) {
        pendingRecords++;
        pendingBytes += (key?.length ?? 0) + (value?.length ?? 0);
        return;
      }
      refuse(code, topic, partition, value);
    },
    async drain() {
      if (pendingRecords < drainAbove.records && pendingBytes < drainAbove.bytes) return;
      const producer = live();
      const deadline = performance.now() + decisionTimeoutMs;
      // A time-out is no failure: a transaction that can't get its records out is ended by `commit`.
      while ((await attempt((done) => producer.producer.flush(callTimeoutMs, done))) !== undefined && performance.now() < deadline);
      pendingRecords = 0;
      pendingBytes = 0;
    },
    async commit(offsets: readonly CommittedOffset[]) {
      if (state !== "open") throw notOpen();
      const producer = live();
      // 1. A record that the local queue refused: never commit a part.
      if (produceError !== undefined) return await abortBecause(produceError);
      // 2. Offsets with group metadata.
      if (offsets.length > 0) {
        const sent = await persist("offsets", (done) =>
          producer.producer.sendOffsetsToTransaction(offsets as never, consumer, callTimeoutMs, done),
        );
        if ("error" in sent) return await endedBy(sent.verdict, sent.error);
      }
      failpoint("offsets-sent");
      // 3. Flush, then EndTxn.
      const committed = await persist("commit", (done) => producer.producer.commitTransaction(callTimeoutMs, done));
      if ("error" in committed) return await endedBy(committed.verdict, committed.error);
      failpoint("transaction-committed");
      return await ended(producer, "committed");
    },
    async abort() {
      if (state !== "open") throw notOpen();
      return await abortBecause(undefined);
    },
    async close() {
      if (state === "closed") return;
      // Without the abort, readers would stall until the transaction's time-out (13.1 s against 0.18 s).
      if (state === "open") await abortBecause(undefined);
      state = "closed";
      retire();
      await Promise.all(retired);
    },
  };

  function refuse(code: number, topic: string, partition: number, value: Uint8Array | null): void {
    const details = { topic, partition, kafkaCode: code, bytes: value?.length ?? 0 };
    if (code === nativeCode.queueFull) {
      throw new RepriseError("KAFKA_FAILED", `The local queue of '${transactionalId}' is full: call drain() between chunks.`, { details });
    }
    // The record itself is wrong (size, topic, partition): its task is to blame, not the transaction.
    if (code === nativeCode.unknownTopic || code === nativeCode.unknownPartition) {
      throw new RepriseError("TOPIC_MISSING", `Partition ${partition} of topic '${topic}' does not exist.`, { details });
    }
    if (code === messageTooLarge) {
      throw new RepriseError(
        "KAFKA_FAILED",
        `A record of ${details.bytes} bytes for partition ${partition} of '${topic}' is larger than a producer may send.`,
        { details },
      );
    }
    // Fenced, timed out, wrong state: the outcome of the transaction says it.
    produceError ??= { code, message: `produce to partition ${partition} of '${topic}' was refused with ${code}` };
  }
}

const messageTooLarge = 10;

async function attempt(call: (done: (error: unknown) => void) => void): Promise<NativeError | undefined> {
  try {
    await called(call);
    return undefined;
  } catch (error) {
    if (isNativeError(error)) return error;
    // 'Client is disconnected' and the like: no code, and nothing to do but to replace the producer.
    return { code: nativeCode.conflict, message: error instanceof Error ? error.message : String(error) };
  }
}
