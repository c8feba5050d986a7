import type { Message } from "@confluentinc/kafka-javascript";
import type { PartitionEnd, RecordColumns } from "@reprise/engine";
import type { RepriseError } from "@reprise/schema";
import { columnsOfMessages } from "./columns-of-messages.ts";

/** One partition of the plain reader: messages that librdkafka delivered and nobody took yet. */
export class PlainPartition {
  readonly topic: string;
  readonly partition: number;
  #messages: Message[] = [];
  /** The offset to deliver next. */
  #position: number;
  /** The offset behind everything that was delivered or skipped by librdkafka. */
  frontier: number;
  bufferedBytes = 0;
  paused = false;
  error: RepriseError | undefined;
  end: PartitionEnd | undefined;
  topicId: string | undefined;
  /** Probes in a row that found the frontier outside of the log. */
  outOfRange = 0;
  missingSinceMs: number | undefined;

  constructor(topic: string, partition: number, offset: number) {
    this.topic = topic;
    this.partition = partition;
    this.#position = offset;
    this.frontier = offset;
  }

  get ready(): boolean {
    return this.frontier > this.#position || this.error !== undefined;
  }

  push(message: Message): void {
    if (message.offset < this.frontier) return;
    this.#messages.push(message);
    this.bufferedBytes += message.size + 100;
    this.frontier = message.offset + 1;
    this.outOfRange = 0;
  }

  /** librdkafka is at the end; `offset` lies behind control records too. */
  reachedEnd(offset: number): void {
    this.outOfRange = 0;
    if (offset > this.frontier) this.frontier = offset;
  }

  drop(): void {
    this.#messages = [];
    this.bufferedBytes = 0;
  }

  /** @throws RepriseError the partition's error, once everything before it was taken */
  take(): RecordColumns | undefined {
    if (this.frontier === this.#position) {
      if (this.error !== undefined) throw this.error;
      return undefined;
    }
    const messages = this.#messages;
    this.drop();
    this.#position = this.frontier;
    return columnsOfMessages(this.topic, this.partition, messages, this.frontier);
  }
}
