import type { TopicPartition } from "@reprise/engine";

/** Values by partition. */
export class Assignments<Value> {
  readonly #topics = new Map<string, Map<number, Value>>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get({ topic, partition }: TopicPartition): Value | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  set({ topic, partition }: TopicPartition, value: Value): void {
    let partitions = this.#topics.get(topic);
    if (partitions === undefined) this.#topics.set(topic, (partitions = new Map<number, Value>()));
    if (!partitions.has(partition)) this.#size++;
    partitions.set(partition, value);
  }

  delete({ topic, partition }: TopicPartition): Value | undefined {
    const partitions = this.#topics.get(topic);
    const value = partitions?.get(partition);
    if (partitions?.delete(partition) !== true) return undefined;
    this.#size--;
    if (partitions.size === 0) this.#topics.delete(topic);
    return value;
  }

  hasTopic(topic: string): boolean {
    return this.#topics.has(topic);
  }

  *of(topic: string): Generator<Value> {
    yield* this.#topics.get(topic)?.values() ?? [];
  }

  *values(): Generator<Value> {
    for (const partitions of this.#topics.values()) yield* partitions.values();
  }
}
