import { RepriseError } from "@reprise/schema";
import type { CommitRecord } from "../commit/commit-record.ts";
import { placeOfPosition } from "../task/position-name.ts";
import type { TaskMeta } from "../task/task-meta.ts";
import type { SessionOptions } from "./session-options.ts";

/**
 * The log still is the one that the task has read, and has what comes next: a task never jumps, neither over what was deleted nor onto another log.
 * @throws RepriseError INPUT_TRUNCATED · TOPIC_MISSING · TOPIC_RECREATED
 */
export async function requireInputs(options: SessionOptions, meta: TaskMeta, record: CommitRecord | undefined): Promise<void> {
  const { offsets, spec } = options;
  const about = { deployment: spec.id, partition: meta.partition };
  for (const { topic, topicId } of [...spec.inputs, ...(spec.broadcasts ?? [])]) {
    const found = await offsets.describe(topic);
    if (found === undefined)
      throw new RepriseError("TOPIC_MISSING", `the input ${topic} of ${spec.id} does not exist`, { details: { ...about, topic } });
    const known = record?.topicIds[topic] ?? topicId;
    if (known !== found.topicId) {
      const message = `the input ${topic} of ${spec.id} was deleted and created anew: its id is ${found.topicId}, what was read had ${known}`;
      throw new RepriseError("TOPIC_RECREATED", message, { details: { ...about, topic } });
    }
  }
  for (const [name, position] of Object.entries(meta.position)) {
    const at = placeOfPosition(name, meta.partition);
    const [earliest, end] = [await offsets.earliest(at), await offsets.highWatermark(at)];
    if (position >= earliest && position <= end) continue;
    const place = `task ${meta.partition} of ${spec.id} has to go on at ${at.topic}-${at.partition}@${position}`;
    const message =
      position < earliest ? `${place}, and the log begins at ${earliest} by now` : `${place}, and the log ends at ${end}: it was cut off`;
    throw new RepriseError("INPUT_TRUNCATED", message, { details: { ...about, topic: at.topic, position, earliest, end } });
  }
}
