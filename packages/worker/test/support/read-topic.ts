import { type Admin, createPlainReader } from "@reprise/kafka";
import { readHeaders } from "@reprise/engine";

export interface ReadRecord {
  readonly key: string | null;
  readonly value: string | null;
  readonly timestampMs: number;
  readonly offset: number;
  readonly headers: { readonly [name: string]: string };
  /** As they stand in the log. */
  readonly valueBytes: Buffer | null;
}

/**
 * What a read_committed reader that shares no code with the workers' finds on a topic: per partition, in order, up to the high watermark that is asked
 * for first. Where somebody died with a transaction open, that takes until it is aborted.
 */
export async function readTopic(bootstrap: string, admin: Admin, topic: string): Promise<ReadRecord[][]> {
  const ends = await admin.endOffsets(topic, "high-watermark");
  const reader = await createPlainReader({ bootstrap });
  try {
    const found: ReadRecord[][] = ends.map(() => []);
    const positions = ends.map(() => 0);
    for (const partition of ends.keys()) reader.assign({ topic, partition }, 0);
    const behind = (): boolean => ends.some((end, partition) => (positions[partition] as number) < end);
    while (behind()) {
      await reader.wait(100);
      for (const partition of ends.keys()) {
        for (let columns = reader.take({ topic, partition }); columns !== undefined; columns = reader.take({ topic, partition })) {
          positions[partition] = columns.nextOffset;
          for (let i = 0; i < columns.count; i++) {
            const bytes = (starts: Int32Array, lengths: Int32Array): Buffer | null =>
              (lengths[i] as number) < 0
                ? null
                : Buffer.from(columns.bytes.subarray(starts[i], (starts[i] as number) + (lengths[i] as number)));
            const valueBytes = bytes(columns.valueStarts, columns.valueLengths);
            found[partition]?.push({
              key: bytes(columns.keyStarts, columns.keyLengths)?.toString() ?? null,
              value: valueBytes?.toString() ?? null,
              valueBytes,
              timestampMs: columns.timestamps[i] as number,
              offset: columns.offsets[i] as number,
              headers: { ...readHeaders(columns, i) },
            });
          }
        }
      }
    }
    return found;
  } finally {
    await reader.close();
  }
}
