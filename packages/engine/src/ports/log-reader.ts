/**
 * Records of one record batch (or of a slice of it) as columns over one buffer: no object per record. `offsets`,
 * `timestamps`, … are valid for indices 0 ≤ i < count; the arrays may be longer. The columns and the buffer belong to the
 * taker and are never reused by the reader.
 */
export interface RecordColumns {
  readonly topic: string;
  readonly partition: number;
  readonly count: number;
  /** The position after all records here: beyond control batches, aborted transactions and compacted holes that follow. */
  readonly nextOffset: number;
  readonly bytes: Buffer;
  readonly offsets: Float64Array;
  /** Milliseconds since the epoch. */
  readonly timestamps: Float64Array;
  readonly keyStarts: Int32Array;
  /** In bytes; -1: null. */
  readonly keyLengths: Int32Array;
  readonly valueStarts: Int32Array;
  /** In bytes; -1: null. */
  readonly valueLengths: Int32Array;
  /** Where a record's headers begin in `bytes` (Kafka's varint count, then key and value of each). */
  readonly headerStarts: Int32Array;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** What the last fetch of a partition said. All offsets are next offsets. */
export interface PartitionEnd {
  readonly lastStableOffset: number;
  readonly highWatermark: number;
  /** The oldest offset that the log still has. */
  readonly logStartOffset: number;
}

/**
 * Reads records `read_committed`, in order, from explicit offsets. It fetches in the background into bounded buffers; the
 * engine takes what is there and never waits per record. A reader never jumps: a position that the log does not have is an error.
 */
export interface LogReader {
  /** Starts at exactly `offset`. @throws RepriseError TOPIC_MISSING */
  assign(partition: TopicPartition, offset: number): void;
  /** Stops fetching and drops what is buffered. */
  unassign(partition: TopicPartition): void;
  /**
   * The next records of the partition, or undefined when none are buffered. Columns with count 0 carry a `nextOffset` that moved
   * (only control or aborted records in between).
   * @throws RepriseError of this partition: INPUT_TRUNCATED, TOPIC_RECREATED, BATCH_CORRUPT, TOPIC_MISSING; others are retried inside.
   */
  take(partition: TopicPartition): RecordColumns | undefined;
  /** The newest known end of an assigned partition; undefined before the first fetch answered. */
  end(partition: TopicPartition): PartitionEnd | undefined;
  /** Resolves when something can be taken or an end moved or an error waits, at the latest after `timeoutMs`. */
  wait(timeoutMs: number): Promise<void>;
  close(): Promise<void>;
}
