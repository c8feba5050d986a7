import type { DeploymentSpec, TopicOffsets } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";

/**
 * The inputs must be the topics that were deployed on: positions mean nothing in another one.
 * @throws RepriseError TOPIC_MISSING, TOPIC_RECREATED, PARTITIONS_CHANGED naming the topic
 */
export async function checkInputs(spec: DeploymentSpec, offsets: TopicOffsets): Promise<void> {
  for (const { topic, topicId, partitions } of [
    ...spec.inputs,
    ...(spec.broadcasts ?? []),
    ...(spec.routes ?? []).map(({ source }) => source),
  ]) {
    const found = await offsets.describe(topic);
    const details = { deployment: spec.id, topic };
    if (found === undefined)
      throw new RepriseError("TOPIC_MISSING", `the input topic ${topic} of ${spec.id} does not exist any more`, { details });
    if (found.topicId !== topicId)
      throw new RepriseError("TOPIC_RECREATED", `the input topic ${topic} of ${spec.id} was deleted and created anew`, { details });
    if (found.partitions !== partitions) {
      throw new RepriseError(
        "PARTITIONS_CHANGED",
        `the input topic ${topic} of ${spec.id} has ${found.partitions} partitions now, it had ${partitions} when it was deployed`,
        { details },
      );
    }
  }
}
