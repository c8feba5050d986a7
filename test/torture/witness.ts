import type { LogReader } from "@reprise/engine";
import { setImmediate as nextTurn } from "node:timers/promises";

/** Reads output topics from their beginning, read_committed, all the time: what anybody sees who reads along. */
export class Witness {
  /** By topic, then partition: `offset key value timestamp` of each record, in the order in which it was seen. */
  readonly seen: ReadonlyMap<string, string[][]>;
  readonly #reader: LogReader;
  readonly #running: Promise<void>;
  readonly #positions = new Map<string, number[]>();
  #stopping = false;
  #failure: { readonly error: unknown } | undefined;

  private constructor(reader: LogReader, topics: readonly string[], partitions: number) {
    this.#reader = reader;
    const each = <T>(make: () => T): T[] => Array.from({ length: partitions }, make);
    this.seen = new Map(topics.map((topic) => [topic, each<string[]>(() => [])]));
    for (const topic of topics) {
      this.#positions.set(
        topic,
        each(() => 0),
      );
      for (let partition = 0; partition < partitions; partition++) reader.assign({ topic, partition }, 0);
    }
    this.#running = this.#run(topics, partitions).catch((error: unknown) => {
      this.#failure = { error };
    });
  }

  static start(reader: LogReader, topics: readonly string[], partitions: number): Witness {
    return new Witness(reader, topics, partitions);
  }

  /** Whether it has read everything below these ends of a topic. @throws what stopped it */
  has(topic: string, ends: readonly number[]): boolean {
    if (this.#failure !== undefined) throw this.#failure.error;
    return ends.every((end, partition) => (this.#positions.get(topic)?.[partition] ?? 0) >= end);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    await this.#reader.close();
  }

  async #run(topics: readonly string[], partitions: number): Promise<void> {
    while (!this.#stopping) {
      let taken = false;
      for (const topic of topics) {
        for (let partition = 0; partition < partitions; partition++) taken = this.#take(topic, partition) || taken;
      }
      await (taken ? nextTurn() : this.#reader.wait(100));
    }
  }

  #take(topic: string, partition: number): boolean {
    const columns = this.#reader.take({ topic, partition });
    if (columns === undefined) return false;
    const lines = this.seen.get(topic)?.[partition] as string[];
    const text = (start = 0, length = 0): string => (length < 0 ? "null" : columns.bytes.toString("utf8", start, start + length));
    for (let i = 0; i < columns.count; i++) {
      const key = text(columns.keyStarts[i], columns.keyLengths[i]);
      const value = text(columns.valueStarts[i], columns.valueLengths[i]);
      lines.push(`${columns.offsets[i]} ${key} ${value} ${columns.timestamps[i]}`);
    }
    (this.#positions.get(topic) as number[])[partition] = columns.nextOffset;
    return true;
  }
}
