import { ConfigResourceTypes, createPartitionsV3, createTopicsV7, deleteTopicsV6, describeConfigsV4 } from "@platformatic/kafka";
import { RepriseError } from "@reprise/schema";
import type { Cluster } from "../internal/cluster.ts";
import { mayPass } from "../internal/cluster.ts";
import { answered, isPassing, kafkaError, kafkaFailed } from "../internal/wire-error.ts";
import { retrying } from "../internal/retry.ts";

export interface TopicSpec {
  readonly name: string;
  readonly partitions: number;
  /** Default: the cluster's. */
  readonly replicationFactor?: number;
  /**
   * Kafka's names. `retention.ms` is -1 (for ever) unless it is given: retention works on record timestamps, and a topic with
   * historical timestamps loses its records within minutes otherwise.
   */
  readonly config?: { readonly [name: string]: string };
}

export interface CreatedTopics {
  readonly created: readonly string[];
  readonly existing: readonly string[];
}

export interface TopicDescription {
  readonly name: string;
  /** Another one when the topic was deleted and created anew. */
  readonly topicId: string;
  readonly partitions: number;
  /** All settings in force, by Kafka's names (`retention.ms`, `cleanup.policy`, …). */
  readonly config: { readonly [name: string]: string };
}

const timeoutMs = 30_000;
const retry = { timeoutMs, firstDelayMs: 10, maxDelayMs: 250 };

export async function createTopics(cluster: Cluster, topics: readonly TopicSpec[]): Promise<CreatedTopics> {
  const created: string[] = [];
  const existing: string[] = [];
  if (topics.length === 0) return { created, existing };
  const request = topics.map((topic) => ({
    name: topic.name,
    numPartitions: topic.partitions,
    replicationFactor: topic.replicationFactor ?? -1,
    assignments: [],
    configs: Object.entries({ "retention.ms": "-1", ...topic.config }).map(([name, value]) => ({ name, value })),
  }));
  const results = new Map<string, number>();
  await retrying({ what: "Creating topics", ...retry, mayPass }, async () => {
    // A topic of an earlier attempt is not asked for again: it would count as existing.
    const open = request.filter((topic) => !results.has(topic.name));
    const answer = await cluster.any((connection) => answered(createTopicsV7.api.async(connection, open, timeoutMs, false)));
    for (const topic of answer.topics) if (!isPassing(topic.errorCode)) results.set(topic.name, topic.errorCode);
    for (const topic of answer.topics) {
      if (topic.errorCode === 0 || topic.errorCode === kafkaError.topicAlreadyExists) continue;
      throw kafkaFailed(`Creating topic '${topic.name}'`, topic.errorCode, topic.errorMessage);
    }
  });
  for (const [name, code] of results) (code === 0 ? created : existing).push(name);
  await retrying({ what: "Waiting for the new topics' leaders", ...retry, mayPass }, async () => {
    const { topics: described } = await cluster.metadata(topics.map((topic) => topic.name));
    for (const topic of described) {
      const wanted = topics.find((each) => each.name === topic.name);
      if (topic.errorCode !== 0 || topic.partitions.length === 0 || topic.partitions.some((each) => each.leaderId < 0)) {
        throw kafkaFailed(`Topic '${topic.name}'`, kafkaError.leaderNotAvailable);
      }
      if (wanted !== undefined && wanted.partitions !== -1 && topic.partitions.length !== wanted.partitions) {
        throw new RepriseError(
          "DECLARATION_CONFLICT",
          `The topic '${topic.name}' exists with ${topic.partitions.length} partitions, and ${wanted.partitions} were asked for.`,
          { details: { topic: topic.name, partitions: topic.partitions.length, wanted: wanted.partitions } },
        );
      }
    }
  });
  return { created, existing };
}

export async function describeTopics(cluster: Cluster, names: readonly string[]): Promise<Map<string, TopicDescription>> {
  const descriptions = new Map<string, TopicDescription>();
  if (names.length === 0) return descriptions;
  await retrying({ what: `Describing topics`, ...retry, mayPass }, async () => {
    descriptions.clear();
    const { topics } = await cluster.metadata(names);
    const present = topics.filter((topic) => topic.errorCode !== kafkaError.unknownTopicOrPartition);
    const failed = present.find((topic) => topic.errorCode !== 0);
    if (failed !== undefined) throw kafkaFailed(`Describing topic '${failed.name}'`, failed.errorCode);
    if (present.length === 0) return;
    const resources = present.map((topic) => ({
      resourceType: ConfigResourceTypes.TOPIC,
      resourceName: topic.name as string,
      configurationKeys: null as never,
    }));
    const { results } = await cluster.any((connection) => answered(describeConfigsV4.api.async(connection, resources, false, false)));
    for (const topic of present) {
      const result = results.find((each) => each.resourceName === topic.name);
      // Deleted between the two requests.
      if (result === undefined || result.errorCode === kafkaError.unknownTopicOrPartition) continue;
      if (result.errorCode !== 0)
        throw kafkaFailed(`Reading the configuration of topic '${topic.name}'`, result.errorCode, result.errorMessage);
      descriptions.set(topic.name as string, {
        name: topic.name as string,
        topicId: topic.topicId,
        partitions: topic.partitions.length,
        config: Object.fromEntries(
          result.configs.filter((entry) => entry.value !== null).map((entry) => [entry.name, entry.value as string]),
        ),
      });
    }
  });
  return descriptions;
}

export async function addPartitions(cluster: Cluster, topic: string, total: number): Promise<void> {
  await retrying({ what: `Adding partitions to '${topic}'`, ...retry, mayPass }, async () => {
    const present = (await cluster.metadata([topic])).topics[0];
    if (present === undefined || present.errorCode === kafkaError.unknownTopicOrPartition) {
      throw new RepriseError("TOPIC_MISSING", `The topic '${topic}' does not exist.`, { details: { topic } });
    }
    if (present.partitions.length === total) return;
    const answer = await cluster.any((connection) =>
      answered(createPartitionsV3.api.async(connection, [{ name: topic, count: total, assignments: null as never }], timeoutMs, false)),
    );
    const result = answer.results[0];
    if (result !== undefined && result.errorCode !== 0)
      throw kafkaFailed(`Adding partitions to '${topic}'`, result.errorCode, result.errorMessage);
    // Metadata follows a moment later; the next attempt finds the count.
    throw kafkaFailed(`Topic '${topic}'`, kafkaError.leaderNotAvailable);
  });
}

export async function deleteTopics(cluster: Cluster, names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await retrying({ what: "Deleting topics", ...retry, mayPass }, async () => {
    const answer = await cluster.any((connection) =>
      answered(
        deleteTopicsV6.api.async(
          connection,
          names.map((name) => ({ name, topicId: null as unknown as string })),
          timeoutMs,
        ),
      ),
    );
    for (const result of answer.responses) {
      if (result.errorCode === 0 || result.errorCode === kafkaError.unknownTopicOrPartition) continue;
      throw kafkaFailed(`Deleting topic '${result.name}'`, result.errorCode, result.errorMessage);
    }
  });
  await retrying({ what: "Waiting for the topics to be gone", ...retry, mayPass }, async () => {
    const { topics } = await cluster.metadata(names);
    const left = topics.find((topic) => topic.errorCode !== kafkaError.unknownTopicOrPartition);
    if (left !== undefined) throw kafkaFailed(`Topic '${left.name}' is still there`, kafkaError.leaderNotAvailable);
  });
}
