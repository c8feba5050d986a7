import type { LogReader, PartitionEnd, RecordColumns, TopicPartition } from "../ports/log-reader.ts";

/**
 * What one task reads through: its inputs by the reader that all tasks share, broadcast tables by one of its own, because each task is elsewhere in
 * them. Closing it closes only its own.
 */
export class TaskReader implements LogReader {
  private readonly shared: LogReader;
  private readonly own: LogReader | undefined;
  private readonly broadcasts: ReadonlySet<string>;

  /** @param own needed when there are broadcasts */
  constructor(shared: LogReader, own: LogReader | undefined, broadcasts: readonly string[]) {
    this.shared = shared;
    this.own = own;
    this.broadcasts = new Set(broadcasts);
  }

  private of(topic: string): LogReader {
    return this.own !== undefined && this.broadcasts.has(topic) ? this.own : this.shared;
  }

  assign(partition: TopicPartition, offset: number): void {
    this.of(partition.topic).assign(partition, offset);
  }

  unassign(partition: TopicPartition): void {
    this.of(partition.topic).unassign(partition);
  }

  take(partition: TopicPartition): RecordColumns | undefined {
    return this.of(partition.topic).take(partition);
  }

  end(partition: TopicPartition): PartitionEnd | undefined {
    return this.of(partition.topic).end(partition);
  }

  async wait(timeoutMs: number): Promise<void> {
    await (this.own === undefined ? this.shared.wait(timeoutMs) : Promise.race([this.shared.wait(timeoutMs), this.own.wait(timeoutMs)]));
  }

  async close(): Promise<void> {
    await this.own?.close();
  }
}
