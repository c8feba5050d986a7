/**
 * What a position is kept under in a task's meta, in deltas and commit records: the topic for the task's own partition of it, topic/partition for a
 * partition of a broadcast table. No topic's name has a slash.
 */
export function positionName(topic: string, partition: number): string {
  return `${topic}/${partition}`;
}

export function topicOfPosition(name: string): string {
  return name.split("/")[0] as string;
}

/** The partition that is meant. @param task whose position it is */
export function placeOfPosition(name: string, task: number): { readonly topic: string; readonly partition: number } {
  const [topic, partition] = name.split("/") as [string, string | undefined];
  return { topic, partition: partition === undefined ? task : Number(partition) };
}
