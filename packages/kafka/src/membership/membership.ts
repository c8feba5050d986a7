import type { KafkaConsumer, LibrdKafkaError } from "@confluentinc/kafka-javascript";
import type { Membership } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { openCluster } from "../internal/cluster.ts";
import { called, type CooperativeConsumer, isNativeError, nativeClient, nativeCode } from "../internal/native-client.ts";
import { kafkaError } from "../internal/wire-error.ts";
import { type MembershipIdentity, membershipSettings } from "./membership-settings.ts";
import { watchOwnerless } from "./ownerless-watch.ts";

export interface MembershipOptions extends MembershipIdentity {
  /** The lead input: the only topic that the group protocol knows of. */
  readonly topic: string;
  /** Default 30 s: how long a rebalance waits for `onAssigned` or `onRevoked`; below the 60 s after which the group gives up on the member. */
  readonly handlerTimeoutMs?: number;
  /** Default 30 s: how long `join` tries to reach a broker. */
  readonly connectTimeoutMs?: number;
  /** Default 3 s: how often the group is looked at for partitions that belong to nobody. Only with the classic protocol. */
  readonly ownerlessIntervalMs?: number;
  /** Told of partitions that belong to nobody, when the group is made to rebalance for them. */
  readonly onOwnerless?: (partitions: readonly number[]) => void;
}

/** A membership with the consumer whose group metadata fences the offsets of a `TransactionalWriter`. */
export interface KafkaMembership extends Membership {
  readonly consumer: KafkaConsumer;
}

type CompleteConsumer = KafkaConsumer & CooperativeConsumer;
type Handlers = Parameters<Membership["join"]>[0];
interface Assigned {
  readonly topic: string;
  readonly partition: number;
}

/** How often rebalance events are fetched; the wait of a member that has to give a partition up. */
const pollIntervalMs = 50;

/**
 * Membership by subscription to one topic. Nothing is ever fetched: an assignment is paused as soon as it is made, at explicit
 * offsets (without them librdkafka looks for committed ones and fails with 'no offset'), and is polled on a timer of its own.
 *
 * A rebalance is answered only after the handler's promise: until then no other member has the partition. That barrier is ours
 * alone. The broker takes this member's offsets of the partition all the while, and also after the answer (the generation is taken
 * fresh with each commit): `onRevoked` must not resolve before the partition's transaction has ended, and nothing may be committed
 * for it after. It is always answered, also when the handler fails or hangs, and while leaving.
 *
 * Partitions that belong to nobody in a stable group are seen by each member, which then makes the group rebalance
 * (`ownerless-watch.ts` says how that comes about).
 *
 * `join` resolves when the subscription is made; the assignment comes by `onAssigned`. `leave` calls `onRevoked` for what is
 * left. The broker keeps a static member's partitions for it until the session time-out.
 */
export function createMembership(options: MembershipOptions): KafkaMembership {
  const handlerTimeoutMs = options.handlerTimeoutMs ?? 30_000;
  const connectTimeoutMs = options.connectTimeoutMs ?? 30_000;
  let handlers: Handlers | undefined;
  let rebalances: Promise<void> = Promise.resolve();
  let polling: Promise<void> | undefined;
  const watch = new AbortController();
  let watching: Promise<void> | undefined;
  let stopped = false;
  let leaving: Promise<void> | undefined;

  /** What `onAssigned` was told and `onRevoked` was not yet. */
  const owned = new Set<number>();

  const consumer = new (nativeClient().KafkaConsumer)({
    ...membershipSettings(options),
    rebalance_cb: (error: LibrdKafkaError, assignment: Assigned[]) => {
      // One after the other: an assignment may follow a revocation that is still being answered.
      rebalances = rebalances.then(() => answer(error.code, assignment));
    },
  } as never) as CompleteConsumer;

  function report(error: unknown): void {
    try {
      handlers?.onError(error);
    } catch {
      // A reporter that throws must not keep a rebalance unanswered.
    }
  }

  async function answer(code: number, assignment: Assigned[]): Promise<void> {
    const named = assignment.filter((each) => each.topic === options.topic).map((each) => each.partition);
    if (code === nativeCode.assignPartitions) {
      // While leaving it is answered only so that the disconnect can go on: it is given back at once.
      if (!stopped) await assigned(named);
      answering(() => {
        const at = assignment.map((each) => ({ topic: each.topic, partition: each.partition, offset: 0 }));
        if (consumer.rebalanceProtocol() === "EAGER") consumer.assign(at);
        else consumer.incrementalAssign(at);
        if (at.length > 0) consumer.pause(at);
      });
    } else {
      await revoked(named);
      answering(() => {
        if (consumer.rebalanceProtocol() === "EAGER") consumer.unassign();
        else consumer.incrementalUnassign(assignment);
      });
    }
  }

  async function assigned(partitions: readonly number[]): Promise<void> {
    const news = partitions.filter((partition) => !owned.has(partition));
    for (const partition of news) owned.add(partition);
    if (news.length > 0) await handled("onAssigned", handlers?.onAssigned, news);
  }

  async function revoked(partitions: readonly number[]): Promise<void> {
    const lost = partitions.filter((partition) => owned.has(partition));
    if (lost.length > 0) await handled("onRevoked", handlers?.onRevoked, lost);
    for (const partition of lost) owned.delete(partition);
  }

  async function handled(
    name: string,
    handler: ((partitions: readonly number[]) => Promise<void>) | undefined,
    partitions: readonly number[],
  ): Promise<void> {
    if (handler === undefined) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const message = `${name} of group '${options.groupId}' did not finish within ${handlerTimeoutMs} ms; the rebalance is answered without it.`;
        reject(new RepriseError("KAFKA_FAILED", message, { details: { groupId: options.groupId, partitions: partitions.join(",") } }));
      }, handlerTimeoutMs);
    });
    try {
      await Promise.race([handler(partitions), late]);
    } catch (error) {
      report(error);
    } finally {
      clearTimeout(timer);
    }
  }

  function answering(act: () => void): void {
    try {
      act();
    } catch (error) {
      // While closing, librdkafka may have dropped the assignment by itself; an eager unassign answers in any case.
      try {
        consumer.unassign();
      } catch {
        report(kafkaFailure("A rebalance could not be answered", error));
      }
    }
  }

  function kafkaFailure(what: string, error: unknown): RepriseError {
    const code = isNativeError(error) ? error.code : undefined;
    const message = error instanceof Error ? error.message : String(error);
    return new RepriseError("KAFKA_FAILED", `${what} (group '${options.groupId}', member '${options.groupInstanceId}'): ${message}`, {
      details: { groupId: options.groupId, groupInstanceId: options.groupInstanceId, kafkaCode: code },
      cause: error,
    });
  }

  async function pollUntilStopped(): Promise<void> {
    // 0: take what is there. A longer wait would hold one of libuv's threads.
    consumer.setDefaultConsumeTimeout(0);
    while (!stopped) {
      await called((done) => consumer.consume(1, (error: unknown) => done(error))).catch((error: unknown) => {
        // Time-outs are how 'nothing there' reads in places.
        if (!stopped && isNativeError(error) && error.code !== nativeCode.timedOut) report(classified(error));
      });
      await new Promise((resolve) => setTimeout(resolve, pollIntervalMs));
    }
  }

  function classified(error: unknown): RepriseError {
    const code = isNativeError(error) ? error.code : 0;
    if (code === kafkaError.unknownTopicOrPartition || code === nativeCode.unknownTopic) {
      return new RepriseError("TOPIC_MISSING", `The topic '${options.topic}' does not exist.`, {
        details: { topic: options.topic },
        cause: error,
      });
    }
    if (code === nativeCode.fencedInstanceId || code === nativeCode.fatal) {
      return kafkaFailure("Another process joined with the same member id, or the membership ended for good", error);
    }
    if (code === nativeCode.maxPollExceeded) return kafkaFailure("The member did not poll for too long and lost its partitions", error);
    return kafkaFailure("The membership met an error", error);
  }

  async function join(given: Handlers): Promise<void> {
    if (handlers !== undefined)
      throw new RepriseError("ILLEGAL_STATE", `The membership of '${options.groupId}' was joined before; make a new one.`);
    handlers = given;
    const partitions = await partitionsOfTopic();
    // Only what ends the membership: librdkafka reports lost connections here too, and mends them.
    consumer.on("event.error", (error: LibrdKafkaError) => {
      if (error.isFatal === true || error.code === nativeCode.fatal || error.code === nativeCode.fencedInstanceId)
        report(classified(error));
    });
    try {
      await called((done) => consumer.connect({ timeout: connectTimeoutMs }, (error: unknown) => done(error)));
    } catch (error) {
      throw new RepriseError("BROKER_UNREACHABLE", `No Kafka broker answered at ${options.bootstrap} within ${connectTimeoutMs} ms.`, {
        details: { bootstrap: options.bootstrap },
        cause: error,
      });
    }
    consumer.subscribe([options.topic]);
    polling = pollUntilStopped();
    // Where the broker assigns, it sees to it itself.
    if (options.protocol !== "consumer") watching = watchForOwnerless(partitions);
  }

  async function watchForOwnerless(partitions: number): Promise<void> {
    const cluster = openCluster({ ...options, clientId: "reprise-membership" });
    try {
      await watchOwnerless({
        connection: options,
        cluster,
        groupId: options.groupId,
        topic: options.topic,
        partitions,
        intervalMs: options.ownerlessIntervalMs ?? 3_000,
        signal: watch.signal,
        onOwnerless: (ownerless) => options.onOwnerless?.(ownerless),
      });
    } finally {
      await cluster.close();
    }
  }

  /** Asked first: a subscription to a topic that is missing waits for it for ever. */
  async function partitionsOfTopic(): Promise<number> {
    const cluster = openCluster({ ...options, clientId: "reprise-membership" });
    try {
      const topic = (await cluster.metadata([options.topic])).topics[0];
      if (topic?.errorCode === kafkaError.unknownTopicOrPartition) {
        throw new RepriseError("TOPIC_MISSING", `The topic '${options.topic}' does not exist.`, { details: { topic: options.topic } });
      }
      return topic?.partitions.length ?? 0;
    } finally {
      await cluster.close();
    }
  }

  return {
    consumer,
    join,
    leave() {
      leaving ??= (async () => {
        stopped = true;
        watch.abort();
        await polling;
        await watching;
        // By our own book, before the disconnect: librdkafka skips the callback when it is in the middle of a rebalance.
        rebalances = rebalances.then(() => revoked([...owned]));
        await rebalances;
        // One disconnect, after the loop has stopped. It waits until what it revokes is answered.
        if (consumer.isConnected()) await called((done) => consumer.disconnect(() => done(undefined)));
      })();
      return leaving;
    },
  };
}
