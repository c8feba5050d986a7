import type { DeploymentSpec } from "../control/control-event.ts";
import type { TopicOffsets } from "../ports/topic-offsets.ts";
import { positionName } from "../task/position-name.ts";
import type { TaskMeta } from "../task/task-meta.ts";

/** Where the logs of a task's inputs and of all partitions of its broadcast tables begin. @throws RepriseError TOPIC_MISSING */
export async function earliestPositions(spec: DeploymentSpec, offsets: TopicOffsets, partition: number): Promise<TaskMeta["position"]> {
  const position: { [topic: string]: number } = {};
  for (const { topic } of spec.inputs) position[topic] = await offsets.earliest({ topic, partition });
  for (const { topic, partitions } of spec.broadcasts ?? []) {
    for (let p = 0; p < partitions; p++) position[positionName(topic, p)] = await offsets.earliest({ topic, partition: p });
  }
  return position;
}
