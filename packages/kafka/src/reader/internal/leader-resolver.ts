import { RepriseError } from "@reprise/schema";
import type { Cluster, TopicDescription } from "./cluster.ts";
import type { PartitionReader } from "./partition-reader.ts";

const firstBackoffMs = 20;
const maxBackoffMs = 1_000;
/** A topic that was just created is not known to every broker at once. */
const missingForMs = 1_500;
/** Answers in a row with another topic id: a broker that lags behind may still tell of the topic before. */
const recreatedAnswers = 3;

/** Kafka's UNKNOWN_TOPIC_OR_PARTITION. */
const unknownTopic = 3;
const topicAuthorizationFailed = 29;

/** Exponential from 20 ms to 1 s, with half of it left to chance so that readers do not come back in step. */
export function backoffMs(failures: number): number {
  if (failures <= 0) return 0;
  const full = Math.min(maxBackoffMs, firstBackoffMs * 2 ** (failures - 1));
  return full / 2 + Math.random() * (full / 2);
}

export interface Leadership {
  readonly node: number;
  readonly epoch: number;
  readonly topicId: string;
}

export interface ResolverEvents {
  found(reader: PartitionReader, leadership: Leadership): void;
  failed(reader: PartitionReader): void;
  /** Something that is tried again after `backoffMs`. */
  retrying(what: string, backoffMs: number, cause: unknown): void;
}

interface KnownTopic {
  readonly topicId: string;
  otherAnswers: number;
}

/**
 * Finds the leaders of partitions, and notices topics that are gone or were created anew: the id that a topic had when its first partition
 * was assigned is the only one that counts until its last was unassigned.
 */
export class LeaderResolver {
  readonly #cluster: Cluster;
  readonly #events: ResolverEvents;
  readonly #unresolved = new Set<PartitionReader>();
  readonly #topics = new Map<string, KnownTopic>();
  readonly #missingSinceMs = new Map<PartitionReader, number>();
  #running = false;
  #closed = false;
  /** Ends the pause between two attempts. */
  #wakeUp: () => void = () => undefined;

  constructor(cluster: Cluster, events: ResolverEvents) {
    this.#cluster = cluster;
    this.#events = events;
  }

  resolve(reader: PartitionReader): void {
    this.#unresolved.add(reader);
    // Who was assigned now does not wait for the back-off of others.
    if (reader.failures === 0) this.#wakeUp();
    if (!this.#running) void this.#run();
  }

  forget(reader: PartitionReader): void {
    this.#unresolved.delete(reader);
    this.#missingSinceMs.delete(reader);
  }

  forgetTopic(topic: string): void {
    this.#topics.delete(topic);
  }

  close(): void {
    this.#closed = true;
    this.#unresolved.clear();
    this.#wakeUp();
  }

  async #run(): Promise<void> {
    this.#running = true;
    let rounds = 0;
    // A turn of the event loop gathers what is assigned in one go into one request.
    await new Promise(setImmediate);
    while (this.#unresolved.size > 0 && !this.#closed) {
      const before = this.#unresolved.size;
      let cause: unknown;
      try {
        const readers = [...this.#unresolved];
        const topics = [...new Set(readers.map((reader) => reader.topic))];
        const described = await this.#cluster.describe(topics);
        this.#countIds(described);
        for (const reader of readers) if (this.#unresolved.has(reader)) this.#settle(reader, described.get(reader.topic));
      } catch (error) {
        cause = error;
      }
      if (this.#unresolved.size === 0) break;
      rounds = cause === undefined && this.#unresolved.size < before ? 1 : rounds + 1;
      const pauseMs = backoffMs(rounds);
      if (cause !== undefined) this.#events.retrying("metadata", pauseMs, cause);
      await this.#pause(pauseMs);
    }
    this.#running = false;
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, pauseMs);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #countIds(described: ReadonlyMap<string, TopicDescription>): void {
    for (const [name, topic] of described) {
      if (topic.errorCode !== 0) continue;
      const known = this.#topics.get(name);
      if (known === undefined) this.#topics.set(name, { topicId: topic.topicId, otherAnswers: 0 });
      else if (known.topicId === topic.topicId) known.otherAnswers = 0;
      else known.otherAnswers++;
    }
  }

  #settle(reader: PartitionReader, topic: TopicDescription | undefined): void {
    const known = this.#topics.get(reader.topic);
    if (topic === undefined || topic.errorCode !== 0) {
      if (topic?.errorCode === topicAuthorizationFailed) this.#fail(reader, notAuthorized(reader));
      else if (topic === undefined || topic.errorCode === unknownTopic) this.#missing(reader, `Topic ${reader.topic} does not exist.`);
      return;
    }
    if (known === undefined) return;
    if (known.topicId !== topic.topicId) {
      if (known.otherAnswers >= recreatedAnswers) this.#fail(reader, recreated(reader, known.topicId, topic.topicId));
      return;
    }
    const leader = topic.leaders.get(reader.partition);
    if (leader === undefined) {
      this.#missing(reader, `Topic ${reader.topic} has ${topic.leaders.size} partitions, and no partition ${reader.partition}.`);
      return;
    }
    this.#missingSinceMs.delete(reader);
    if (leader.node < 0) return;
    this.#unresolved.delete(reader);
    this.#events.found(reader, { node: leader.node, epoch: leader.epoch, topicId: topic.topicId });
  }

  #missing(reader: PartitionReader, message: string): void {
    const now = performance.now();
    const since = this.#missingSinceMs.get(reader) ?? now;
    this.#missingSinceMs.set(reader, since);
    if (now - since < missingForMs) return;
    const { topic, partition } = reader;
    this.#fail(reader, new RepriseError("TOPIC_MISSING", message, { details: { topic, partition } }));
  }

  #fail(reader: PartitionReader, error: RepriseError): void {
    this.forget(reader);
    reader.fail(error);
    this.#events.failed(reader);
  }
}

function notAuthorized({ topic, partition }: PartitionReader): RepriseError {
  return new RepriseError("KAFKA_FAILED", `This client may not read topic ${topic} (TOPIC_AUTHORIZATION_FAILED).`, {
    details: { topic, partition },
  });
}

function recreated({ topic, partition }: PartitionReader, topicId: string, newTopicId: string): RepriseError {
  return new RepriseError(
    "TOPIC_RECREATED",
    `Topic ${topic} was deleted and created anew: its id was ${topicId} and is now ${newTopicId}.`,
    {
      details: { topic, partition, topicId, newTopicId },
    },
  );
}
