import {
  createAdmin,
  createColumnarReader,
  createGroupOffsets,
  createRecordProducer,
  createTransactionalWriter,
  type KafkaConnectionOptions,
} from "@reprise/kafka";
import type { Cluster, TopicDescription } from "./cluster.ts";

/** What the controller reads ahead is small; the reader's own default is for replays. */
const readAheadBytes = 4 * 1_048_576;

/** The controller's view of a real cluster. */
export function kafkaCluster(options: KafkaConnectionOptions): Cluster {
  const admin = createAdmin(options);
  const offsets = createGroupOffsets(options);
  return {
    openReader: () => createColumnarReader({ ...options, clientId: "reprise-controller", maxBufferedBytesPerPartition: readAheadBytes }),
    // No group: it never commits offsets.
    openWriter: (transactionalId) => createTransactionalWriter({ ...options, transactionalId, consumer: undefined as never }),
    openRecordWriter: () => createRecordProducer(options),
    offsets,
    async describeTopics(topics) {
      const described = await admin.describeTopics([...new Set(topics)]);
      return new Map<string, TopicDescription>(
        [...described.values()].map(({ name, topicId, partitions }) => [name, { topic: name, topicId, partitions }]),
      );
    },
    async createTopic({ topic, partitions, configs }) {
      await admin.createTopics([{ name: topic, partitions, config: configs }]);
    },
    waitReachable: (timeoutMs) => admin.waitReachable(timeoutMs),
    deleteTopic: (topic) => admin.deleteTopics([topic]),
    deleteGroup: (group) => admin.deleteGroups([group]),
    fence: (transactionalIds) => admin.fence(transactionalIds),
    async ends(partitions) {
      const [starts, ends] = await Promise.all([admin.listOffsets(partitions, "earliest"), admin.listOffsets(partitions, "last-stable")]);
      return partitions.map((_, index) => ({ logStart: starts[index]?.offset ?? 0, lastStable: ends[index]?.offset ?? 0 }));
    },
    async close() {
      await Promise.allSettled([admin.close(), offsets.close()]);
    },
  };
}
