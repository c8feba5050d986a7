export { type Admin, createAdmin } from "./admin/admin.ts";
export { createGroupOffsets, type GroupOffsetsOptions } from "./admin/group-offsets.ts";
export type { OffsetQuery, PartitionOffset, RecordsToDelete } from "./admin/offsets.ts";
export type { CreatedTopics, TopicDescription, TopicSpec } from "./admin/topics.ts";
export { type EmbeddedBroker, type EmbeddedBrokerOptions, startEmbeddedBroker } from "./broker/embedded-broker.ts";
export { type EmbeddedCluster, startEmbeddedCluster } from "./broker/embedded-cluster.ts";
export { fetchKafkaJars, findKafkaJars, holdsKafkaJars, jarsCacheFolder } from "./broker/kafka-jars.ts";
export { kafkaVersion } from "./broker/kafka-version.ts";
export {
  type BrokerAddress,
  type KafkaConnectionOptions,
  type KafkaSasl,
  type KafkaTls,
  librdkafkaConnection,
  parseBootstrap,
  wireConnection,
} from "./connection-options.ts";
export { type ColumnarReaderOptions, createColumnarReader, type ReaderRetry } from "./reader/columnar-log-reader.ts";
export { createPlainReader, type PlainReaderOptions } from "./reader/plain-log-reader.ts";
export { createMembership, type KafkaMembership, type MembershipOptions } from "./membership/membership.ts";
export type { GroupProtocol, MembershipIdentity } from "./membership/membership-settings.ts";
export { classifyTransactionError, type TransactionCall, type TransactionVerdict } from "./writer/classify-transaction-error.ts";
export { createRecordProducer, type RecordProducer, type RecordProducerOptions } from "./writer/record-producer.ts";
export { createTransactionalWriter, type TransactionalWriterOptions } from "./writer/transactional-writer.ts";
