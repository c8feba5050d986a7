import type { TopicPartition } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { setTimeout as sleep } from "node:timers/promises";
import type { KafkaConnectionOptions } from "../connection-options.ts";
import { openCluster } from "../internal/cluster.ts";
import { fence } from "./fence.ts";
import { deleteGroups } from "./groups.ts";
import { type OffsetQuery, type PartitionOffset, deleteRecords, listOffsets, type RecordsToDelete } from "./offsets.ts";
import {
  addPartitions,
  createTopics,
  type CreatedTopics,
  deleteTopics,
  describeTopics,
  type TopicDescription,
  type TopicSpec,
} from "./topics.ts";

/** What Reprise asks of a cluster beside reading and writing. Everything is idempotent: a repeated call finds its work done. */
export interface Admin {
  /** Resolves when a broker answers. @throws RepriseError BROKER_UNREACHABLE naming the address */
  waitReachable(timeoutMs: number): Promise<void>;
  /** Resolves when all of them have leaders. @throws RepriseError DECLARATION_CONFLICT one exists with another partition count */
  createTopics(topics: readonly TopicSpec[]): Promise<CreatedTopics>;
  /** By name; topics that do not exist are left out. */
  describeTopics(names: readonly string[]): Promise<Map<string, TopicDescription>>;
  /** Names of all topics but Kafka's own. */
  listTopics(): Promise<string[]>;
  /** Raises the partition count to `total`; as it is: nothing happens. */
  addPartitions(topic: string, total: number): Promise<void>;
  /** In the order asked for. @throws RepriseError TOPIC_MISSING */
  listOffsets(partitions: readonly TopicPartition[], query: OffsetQuery): Promise<PartitionOffset[]>;
  /** One number per partition of the topic, from 0. @throws RepriseError TOPIC_MISSING */
  endOffsets(topic: string, query?: "last-stable" | "high-watermark"): Promise<number[]>;
  /** Resolves when the topics are gone from the cluster's metadata. */
  deleteTopics(names: readonly string[]): Promise<void>;
  /** @throws RepriseError KAFKA_FAILED a group still has members */
  deleteGroups(groups: readonly string[]): Promise<void>;
  deleteRecords(records: readonly RecordsToDelete[]): Promise<void>;
  /**
   * Takes every id over, in parallel, so that whoever holds one can't commit any more and an open transaction is aborted. It stops
   * nobody who initialises with the same id again.
   */
  fence(transactionalIds: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

/** @example const admin = createAdmin({ bootstrap: "127.0.0.1:9092" }); */
export function createAdmin(options: KafkaConnectionOptions): Admin {
  const cluster = openCluster({ ...options, clientId: "reprise-admin" });
  return {
    async waitReachable(timeoutMs) {
      const deadline = performance.now() + timeoutMs;
      for (;;) {
        const left = deadline - performance.now();
        try {
          // A dead address may take its connect time-out: never longer than what was asked for.
          const { brokers } = await within(Math.max(left, 1), options.bootstrap, cluster.metadata([]));
          if (brokers.length > 0) return;
        } catch (error) {
          if (!RepriseError.is(error) || (error.code !== "BROKER_UNREACHABLE" && error.code !== "KAFKA_FAILED")) throw error;
          if (performance.now() + 100 > deadline) throw unreachable(options.bootstrap, timeoutMs, error);
        }
        await sleep(100);
      }
    },
    createTopics: (topics) => createTopics(cluster, topics),
    describeTopics: (names) => describeTopics(cluster, names),
    async listTopics() {
      const { topics } = await cluster.metadata(null);
      return topics.filter((topic) => !topic.isInternal && topic.name !== null).map((topic) => topic.name as string);
    },
    addPartitions: (topic, total) => addPartitions(cluster, topic, total),
    listOffsets: (partitions, query) => listOffsets(cluster, partitions, query),
    async endOffsets(topic, query = "last-stable") {
      const description = (await cluster.metadata([topic])).topics[0];
      if (description === undefined || description.errorCode === 3)
        throw new RepriseError("TOPIC_MISSING", `The topic '${topic}' does not exist.`, { details: { topic } });
      const partitions = description.partitions
        .map((each) => ({ topic, partition: each.partitionIndex }))
        .sort((a, b) => a.partition - b.partition);
      return (await listOffsets(cluster, partitions, query)).map((each) => each.offset);
    },
    deleteTopics: (names) => deleteTopics(cluster, names),
    deleteGroups: (groups) => deleteGroups(cluster, groups),
    deleteRecords: (records) => deleteRecords(cluster, records),
    fence: (ids) => fence(cluster, ids),
    close: () => cluster.close(),
  };
}

function unreachable(bootstrap: string, timeoutMs: number, cause: unknown): RepriseError {
  return new RepriseError("BROKER_UNREACHABLE", `No Kafka broker answered at ${bootstrap} within ${timeoutMs} ms.`, {
    details: { bootstrap, timeoutMs },
    cause,
  });
}

async function within<Answer>(timeoutMs: number, bootstrap: string, answer: Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  try {
    return await Promise.race([
      answer,
      new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(unreachable(bootstrap, Math.round(timeoutMs), undefined)), timeoutMs);
      }),
    ]);
  } finally {
    clearTimeout(timer);
  }
}
