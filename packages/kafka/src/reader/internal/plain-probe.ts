import type { KafkaConsumer } from "@confluentinc/kafka-javascript";
import { RepriseError } from "@reprise/schema";
import { called, isNativeError, nativeClient, nativeCode } from "../../internal/native-client.ts";
import type { PlainPartition } from "./plain-partition.ts";

interface Described {
  readonly name: string;
  readonly topicId: { readonly base64: string };
  readonly partitions: readonly { readonly partition: number }[];
  readonly error?: unknown;
}

interface Listed {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly error?: unknown;
}

interface OffsetQuery {
  readonly topic: string;
  readonly partition: number;
  readonly offset: object;
}

type Done<Result> = (error: unknown, result?: Result) => void;

interface Admin {
  describeTopics(topics: string[], options: { timeout: number }, done: Done<Described[]>): void;
  listOffsets(queries: OffsetQuery[], options: { timeout: number; isolationLevel: number }, done: Done<Listed[]>): void;
}

/** What the binding exports besides what its own types say. */
interface AdminExports {
  readonly AdminClient: { createFrom(client: KafkaConsumer): Admin };
  readonly OffsetSpec: { readonly EARLIEST: object; readonly LATEST: object };
}

const readUncommitted = 0;
const readCommitted = 1;
const timeoutMs = 5_000;
/** As the columnar reader: a topic that was just created is not known to every broker at once. */
const missingForMs = 1_500;
/** Probes in a row that must find the frontier outside of the log: what librdkafka has fetched ahead may still come. */
const outOfRangeProbes = 4;

const unknownTopicOrPartition = 3;

/**
 * Asks the cluster what librdkafka's consumer does not say: the last stable offset, and whether the topic is still the same one and has
 * the offset to read next. Errors of single partitions can't be taken from `consume`: the binding drops them when they
 * come behind a message, and never says which partition they are of.
 */
export class PlainProbe {
  readonly #admin: Admin;
  readonly #offsets: AdminExports["OffsetSpec"];

  constructor(consumer: KafkaConsumer) {
    const { AdminClient, OffsetSpec } = nativeClient() as unknown as AdminExports;
    this.#admin = AdminClient.createFrom(consumer);
    this.#offsets = OffsetSpec;
  }

  /** Sets `end`, and `error` where there is one. @returns whether anything changed. @throws the binding's error when no broker answers */
  async look(partitions: readonly PlainPartition[]): Promise<boolean> {
    const topics = await this.#describe([...new Set(partitions.map(({ topic }) => topic))]);
    const before = partitions.map(({ end, error }) => ({ end, error }));
    const readable = partitions.filter((partition) => partition.error === undefined && checkTopic(partition, topics.get(partition.topic)));
    if (readable.length > 0) await this.#lookAtOffsets(readable);
    return partitions.some(({ end, error }, i) => end !== before[i]?.end || error !== before[i]?.error);
  }

  async #describe(names: string[]): Promise<Map<string, Described>> {
    const topics = await called<Described[]>((done) => this.#admin.describeTopics(names, { timeout: timeoutMs }, done));
    return new Map(topics.map((topic) => [topic.name, topic]));
  }

  async #list(partitions: readonly PlainPartition[], offset: object, isolationLevel: number): Promise<Map<string, Listed>> {
    const queries = partitions.map(({ topic, partition }) => ({ topic, partition, offset }));
    const listed = await called<Listed[]>((done) => this.#admin.listOffsets(queries, { timeout: timeoutMs, isolationLevel }, done));
    return new Map(listed.map((found) => [`${found.partition} ${found.topic}`, found]));
  }

  async #lookAtOffsets(partitions: readonly PlainPartition[]): Promise<void> {
    // In this order, so that start ≤ stable ≤ high holds while records are written.
    const starts = await this.#list(partitions, this.#offsets.EARLIEST, readUncommitted);
    const stables = await this.#list(partitions, this.#offsets.LATEST, readCommitted);
    const highs = await this.#list(partitions, this.#offsets.LATEST, readUncommitted);
    for (const partition of partitions) {
      const key = `${partition.partition} ${partition.topic}`;
      const [start, stable, high] = [starts.get(key), stables.get(key), highs.get(key)];
      if (start === undefined || stable === undefined || high === undefined) continue;
      if (start.error || stable.error || high.error) continue;
      const end = { logStartOffset: start.offset, lastStableOffset: stable.offset, highWatermark: high.offset };
      const known = partition.end;
      if (
        known?.logStartOffset !== end.logStartOffset ||
        known.lastStableOffset !== end.lastStableOffset ||
        known.highWatermark !== end.highWatermark
      ) {
        partition.end = end;
      }
      checkRange(partition);
    }
  }
}

function checkTopic(reader: PlainPartition, described: Described | undefined): boolean {
  const { topic, partition } = reader;
  const missing = described === undefined || isMissing(described.error);
  if (!missing && described.error) return false;
  if (missing || !described.partitions.some((found) => found.partition === partition)) {
    const now = performance.now();
    reader.missingSinceMs ??= now;
    if (now - reader.missingSinceMs >= missingForMs) {
      const message = missing
        ? `Topic ${topic} does not exist.`
        : `Topic ${topic} has ${described.partitions.length} partitions, and no partition ${partition}.`;
      reader.error = new RepriseError("TOPIC_MISSING", message, { details: { topic, partition } });
    }
    return false;
  }
  reader.missingSinceMs = undefined;
  const topicId = described.topicId.base64;
  reader.topicId ??= topicId;
  if (reader.topicId === topicId) return true;
  const message = `Topic ${topic} was deleted and created anew: its id was ${reader.topicId} and is now ${topicId}.`;
  reader.error = new RepriseError("TOPIC_RECREATED", message, {
    details: { topic, partition, topicId: reader.topicId, newTopicId: topicId },
  });
  return false;
}

function isMissing(error: unknown): boolean {
  return isNativeError(error) && (error.code === unknownTopicOrPartition || error.code === nativeCode.unknownTopic);
}

function checkRange(reader: PlainPartition): void {
  const { topic, partition, frontier, end } = reader;
  if (end === undefined) return;
  const { logStartOffset, highWatermark } = end;
  if (frontier >= logStartOffset && frontier <= highWatermark) reader.outOfRange = 0;
  // What is paused has not been asked for.
  else if (!reader.paused) reader.outOfRange++;
  if (reader.outOfRange < outOfRangeProbes) return;
  const message =
    frontier < logStartOffset
      ? `The log of ${topic}-${partition} begins at offset ${logStartOffset}, and offset ${frontier} was asked for: its head was deleted.`
      : `The log of ${topic}-${partition} ends at offset ${highWatermark}, and offset ${frontier} was asked for.`;
  const details = { topic, partition, offset: frontier, logStartOffset, logEndOffset: highWatermark };
  reader.error = new RepriseError("INPUT_TRUNCATED", message, { details });
}
