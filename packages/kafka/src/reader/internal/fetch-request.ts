import { Writer } from "@platformatic/kafka";

export const fetchApiKey = 1;
/** The first version by topic id (Kafka 3.1): a topic that was created anew answers UNKNOWN_TOPIC_ID, not with its own records. */
export const fetchMinVersion = 13;
export const fetchMaxVersion = 17;

export interface FetchPartition {
  readonly partition: number;
  readonly leaderEpoch: number;
  readonly offset: number;
  /** Epoch of the last batch read, -1 at first: the leader says when its log parted from what was read (KIP-595). */
  readonly lastEpoch: number;
  readonly maxBytes: number;
}

export interface FetchTopic {
  readonly topicId: string;
  readonly partitions: readonly FetchPartition[];
}

export interface FetchRequest {
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly topics: readonly FetchTopic[];
}

const readCommitted = 1;
const noReplica = -1;

/** A Fetch without a session, `read_committed`. */
export function writeFetchRequest(request: FetchRequest, version: number): Writer {
  const writer = Writer.create();
  // From version 15 on the replica is a tagged field that consumers leave out.
  if (version < 15) writer.appendInt32(noReplica);
  return writer
    .appendInt32(request.maxWaitMs)
    .appendInt32(1)
    .appendInt32(request.maxBytes)
    .appendInt8(readCommitted)
    .appendInt32(0)
    .appendInt32(-1)
    .appendArray([...request.topics], (w, topic) => {
      w.appendUUID(topic.topicId).appendArray([...topic.partitions], (v, partition) => {
        v.appendInt32(partition.partition)
          .appendInt32(partition.leaderEpoch)
          .appendInt64(BigInt(partition.offset))
          .appendInt32(partition.lastEpoch)
          .appendInt64(-1n)
          .appendInt32(partition.maxBytes);
      });
    })
    .appendArray([], () => {}, true, false)
    .appendString("")
    .appendTaggedFields();
}
