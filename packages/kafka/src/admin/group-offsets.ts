import { offsetFetchV8 } from "@platformatic/kafka";
import type { CommittedOffset, GroupOffsets, TopicPartition } from "@reprise/engine";
import type { KafkaConnectionOptions } from "../connection-options.ts";
import { mayPass, openCluster } from "../internal/cluster.ts";
import { retrying } from "../internal/retry.ts";
import { answered, kafkaError, kafkaFailed } from "../internal/wire-error.ts";

export interface GroupOffsetsOptions extends KafkaConnectionOptions {
  /** How long pending transactions are waited for. Default 30 s: beyond the transaction time-out and the broker's reaper. */
  readonly stableTimeoutMs?: number;
}

/**
 * OffsetFetch, require-stable, straight to the group's coordinator over a connection that is kept: one request per call, so that
 * it can be asked every 100 ms. Offsets of a transaction that is not decided are never answered: the call waits.
 */
export function createGroupOffsets(options: GroupOffsetsOptions): GroupOffsets & { close(): Promise<void> } {
  const cluster = openCluster({ ...options, clientId: "reprise-offsets" });
  const timeoutMs = options.stableTimeoutMs ?? 30_000;
  return {
    async committed(group, partitions) {
      if (partitions.length === 0) return [];
      const groups = [{ groupId: group, topics: topicsOf(partitions) }];
      return await retrying(
        {
          what: `Reading committed offsets of group '${group}'`,
          timeoutMs,
          firstDelayMs: 2,
          // A commit in flight is decided within milliseconds; who waits for a dead producer need not hurry.
          maxDelayMs: 50,
          mayPass: (error) =>
            mayPass(error) || (error as { details?: { kafkaCode?: number } }).details?.kafkaCode === kafkaError.unstableOffsetCommit,
        },
        async () => {
          const answer = await cluster.coordinator("group", group, (connection) =>
            answered(offsetFetchV8.api.async(connection, groups as never, true)),
          );
          const offsets: CommittedOffset[] = [];
          for (const each of answer.groups) {
            fail(group, each.errorCode);
            for (const topic of each.topics) {
              for (const partition of topic.partitions) {
                fail(group, partition.errorCode);
                // -1: nothing was ever committed.
                if (partition.committedOffset < 0n) continue;
                offsets.push({
                  topic: topic.name,
                  partition: partition.partitionIndex,
                  offset: Number(partition.committedOffset),
                  metadata: withoutTerminator(partition.metadata ?? ""),
                });
              }
            }
          }
          return offsets;
        },
      );
    },
    close: () => cluster.close(),
  };

  function fail(group: string, code: number): void {
    if (code === 0) return;
    if (code !== kafkaError.unstableOffsetCommit) cluster.forgetCoordinator("group", group);
    throw kafkaFailed(`Reading committed offsets of group '${group}'`, code);
  }
}

/** The binding of librdkafka sends a string's terminator with it; it also counts against the broker's bound of 4,096 bytes. */
function withoutTerminator(metadata: string): string {
  return metadata.endsWith("\0") ? metadata.slice(0, -1) : metadata;
}

function topicsOf(partitions: readonly TopicPartition[]): { name: string; partitionIndexes: number[] }[] {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const indexes = topics.get(topic);
    if (indexes === undefined) topics.set(topic, [partition]);
    else indexes.push(partition);
  }
  return [...topics].map(([name, partitionIndexes]) => ({ name, partitionIndexes }));
}
