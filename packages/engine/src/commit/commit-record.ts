import { RepriseError } from "@reprise/schema";

/**
 * The metadata of the committed offset of a task's lead input partition: what was decided last. Together with the offset itself it is the
 * only decision record; everything local can be derived from it.
 */
export interface CommitRecord {
  readonly format: 1;
  /** Commits of the task so far; 0 is the base at which it went live. While building it stays 0 and proves nothing. */
  readonly n: number;
  /** `building`: offsets are for display, no deltas. `live`: the chain of deltas is complete from n = 0, whose base is durable. */
  readonly mode: "building" | "live";
  /** Next offset per input topic (the task's partition of it); the lead input's equals the committed offset. */
  readonly position: { readonly [topic: string]: number };
  /** Sum mod 2^128 over all rows, 32 hex digits. */
  readonly digest: string;
  /** Rolling hash over outputs, 32 hex digits. */
  readonly outputs: string;
  /** Largest timestamp below the position, epoch ms; null when there was no record yet. */
  readonly streamTimeMs: number | null;
  /** As in the task's meta. Absent: 0. */
  readonly lateMerged?: number;
  /** Whether this commit's outputs were public. */
  readonly publishing: boolean;
  readonly topicIds: { readonly [topic: string]: string };
  /** First 16 hex digits of the artifact's hash. */
  readonly artifact: string;
  /** Next offset on the control topic that the worker had read. */
  readonly control: number;
}

/** Kafka's default of `offset.metadata.max.bytes` is 4096, and the Kafka client sends a terminating zero that counts. */
export const commitRecordMaxBytes = 4095;

export function encodeCommitRecord(record: CommitRecord): string {
  const text = JSON.stringify(record);
  if (Buffer.byteLength(text) > commitRecordMaxBytes) {
    throw new RepriseError(
      "INVALID_DECLARATION",
      `the commit record has ${Buffer.byteLength(text)} bytes, Kafka takes ${commitRecordMaxBytes}: too many inputs`,
    );
  }
  return text;
}

/** Undefined when the offset was committed by something else than Reprise. */
export function decodeCommitRecord(metadata: string): CommitRecord | undefined {
  try {
    const value = JSON.parse(metadata) as Partial<CommitRecord> | null;
    return value !== null && typeof value === "object" && value.format === 1 ? (value as CommitRecord) : undefined;
  } catch {
    return undefined;
  }
}
