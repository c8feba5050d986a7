import { deleteRecordsV2, listOffsetsV7 } from "@platformatic/kafka";
import type { TopicPartition } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import type { BrokerAddress } from "../connection-options.ts";
import { type Cluster, mayPass } from "../internal/cluster.ts";
import { retrying } from "../internal/retry.ts";
import { answered, kafkaError, kafkaFailed } from "../internal/wire-error.ts";

/**
 * - `earliest`: the oldest offset that the log still has.
 * - `last-stable`: the offset up to which every transaction is decided; where a read_committed reader ends.
 * - `high-watermark`: the end, with records of open transactions.
 * - `timestampMs`: the first record at or after it; none: the last stable offset.
 */
export type OffsetQuery = "earliest" | "last-stable" | "high-watermark" | { readonly timestampMs: number };

export interface PartitionOffset extends TopicPartition {
  readonly offset: number;
}

export interface RecordsToDelete extends TopicPartition {
  /** Records below it are deleted; -1: all up to the high watermark. */
  readonly beforeOffset: number;
}

const retry = { timeoutMs: 30_000, firstDelayMs: 10, maxDelayMs: 250, mayPass };

/** Asks each partition's leader: groups what is asked by leader, and asks anew after a leader changed. */
async function byLeader<Asked extends TopicPartition>(
  cluster: Cluster,
  asked: readonly Asked[],
  ask: (leader: BrokerAddress, asked: readonly Asked[]) => Promise<void>,
): Promise<void> {
  const { topics, brokers } = await cluster.metadata([...new Set(asked.map((each) => each.topic))]);
  const groups = new Map<number, Asked[]>();
  for (const each of asked) {
    const topic = topics.find((candidate) => candidate.name === each.topic);
    const partition = topic?.partitions.find((candidate) => candidate.partitionIndex === each.partition);
    if (
      topic === undefined ||
      topic.errorCode === kafkaError.unknownTopicOrPartition ||
      (topic.errorCode === 0 && partition === undefined)
    ) {
      throw new RepriseError("TOPIC_MISSING", `Partition ${each.partition} of topic '${each.topic}' does not exist.`, {
        details: { topic: each.topic, partition: each.partition },
      });
    }
    if (partition === undefined || partition.leaderId < 0)
      throw kafkaFailed(`Partition ${each.partition} of '${each.topic}'`, kafkaError.leaderNotAvailable);
    const group = groups.get(partition.leaderId);
    if (group === undefined) groups.set(partition.leaderId, [each]);
    else group.push(each);
  }
  await Promise.all(
    [...groups].map(async ([leaderId, group]) => {
      const leader = brokers.find((broker) => broker.nodeId === leaderId);
      if (leader === undefined) throw kafkaFailed(`Broker ${leaderId}`, kafkaError.leaderNotAvailable);
      await ask(leader, group);
    }),
  );
}

function topicsOf<Asked extends TopicPartition, Entry>(
  asked: readonly Asked[],
  entry: (each: Asked) => Entry,
): { name: string; partitions: Entry[] }[] {
  const topics = new Map<string, Entry[]>();
  for (const each of asked) {
    const entries = topics.get(each.topic);
    if (entries === undefined) topics.set(each.topic, [entry(each)]);
    else entries.push(entry(each));
  }
  return [...topics].map(([name, partitions]) => ({ name, partitions }));
}

export async function listOffsets(cluster: Cluster, asked: readonly TopicPartition[], query: OffsetQuery): Promise<PartitionOffset[]> {
  if (asked.length === 0) return [];
  const keyOf = (each: TopicPartition): string => `${each.topic}/${each.partition}`;
  const timestamp = query === "earliest" ? -2n : typeof query === "string" ? -1n : BigInt(query.timestampMs);
  const isolationLevel = query === "high-watermark" ? 0 : 1;
  const found = new Map<string, number>();
  await retrying({ what: "Listing offsets", ...retry }, async () => {
    const open = asked.filter((each) => !found.has(keyOf(each)));
    await byLeader(cluster, open, async (leader, group) => {
      const topics = topicsOf(group, (each) => ({ partitionIndex: each.partition, currentLeaderEpoch: -1, timestamp }));
      const answer = await cluster.at(leader, (connection) => answered(listOffsetsV7.api.async(connection, -1, isolationLevel, topics)));
      for (const topic of answer.topics) {
        for (const partition of topic.partitions) {
          if (partition.errorCode !== 0)
            throw kafkaFailed(`Listing offsets of partition ${partition.partitionIndex} of '${topic.name}'`, partition.errorCode);
          found.set(keyOf({ topic: topic.name, partition: partition.partitionIndex }), Number(partition.offset));
        }
      }
    });
  });
  // -1: no record is that new.
  const beyond = asked.filter((each) => found.get(keyOf(each)) === -1);
  for (const end of await listOffsets(cluster, beyond, "last-stable")) found.set(keyOf(end), end.offset);
  return asked.map((each) => ({ topic: each.topic, partition: each.partition, offset: found.get(keyOf(each)) as number }));
}

export async function deleteRecords(cluster: Cluster, records: readonly RecordsToDelete[]): Promise<void> {
  if (records.length === 0) return;
  await retrying({ what: "Deleting records", ...retry }, async () => {
    await byLeader(cluster, records, async (leader, group) => {
      const topics = topicsOf(group, (each) => ({ partitionIndex: each.partition, offset: BigInt(each.beforeOffset) }));
      const answer = await cluster.at(leader, (connection) => answered(deleteRecordsV2.api.async(connection, topics, 15_000)));
      for (const topic of answer.topics) {
        for (const partition of topic.partitions) {
          if (partition.errorCode !== 0)
            throw kafkaFailed(`Deleting records of partition ${partition.partitionIndex} of '${topic.name}'`, partition.errorCode);
        }
      }
    });
  });
}
