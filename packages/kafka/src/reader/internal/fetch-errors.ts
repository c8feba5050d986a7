import { RepriseError } from "@reprise/schema";
import type { FetchedPartition } from "./fetch-response.ts";
import type { PartitionReader } from "./partition-reader.ts";

/** What to do about a partition's error: retry finds the leader again, out-of-range asks the leader what it has first. */
export type FetchError =
  | { readonly kind: "retry" | "out-of-range"; readonly error: Error }
  | { readonly kind: "fatal"; readonly error: RepriseError };

/** Kafka's error codes that pass, or that the metadata explains (a leader elsewhere, a topic gone or created anew). */
const retriable: ReadonlyMap<number, string> = new Map([
  [-1, "UNKNOWN_SERVER_ERROR"],
  [3, "UNKNOWN_TOPIC_OR_PARTITION"],
  [5, "LEADER_NOT_AVAILABLE"],
  [6, "NOT_LEADER_OR_FOLLOWER"],
  [7, "REQUEST_TIMED_OUT"],
  [8, "BROKER_NOT_AVAILABLE"],
  [9, "REPLICA_NOT_AVAILABLE"],
  [13, "NETWORK_EXCEPTION"],
  [56, "KAFKA_STORAGE_ERROR"],
  [74, "FENCED_LEADER_EPOCH"],
  [75, "UNKNOWN_LEADER_EPOCH"],
  [78, "OFFSET_NOT_AVAILABLE"],
  [100, "UNKNOWN_TOPIC_ID"],
  [103, "INCONSISTENT_TOPIC_ID"],
]);
const offsetOutOfRange = 1;
const corruptMessage = 2;

/** A total function: every error that a broker may answer a partition's fetch with is classified here. */
export function fetchErrorOf(reader: PartitionReader, fetched: FetchedPartition): FetchError {
  const { topic, partition, fetchOffset } = reader;
  const { errorCode, divergingEndOffset } = fetched;
  const details = { topic, partition, offset: fetchOffset, errorCode };
  if (errorCode === 0 && divergingEndOffset !== undefined) {
    const message = `The log of ${topic}-${partition} was cut at offset ${divergingEndOffset} by a leader election, below offset ${fetchOffset} that was read already.`;
    return { kind: "fatal", error: new RepriseError("INPUT_TRUNCATED", message, { details: { ...details, divergingEndOffset } }) };
  }
  if (errorCode === offsetOutOfRange)
    return { kind: "out-of-range", error: new Error(`${topic}-${partition}: OFFSET_OUT_OF_RANGE at ${fetchOffset}`) };
  if (errorCode === corruptMessage) {
    const message = `The broker can't read ${topic}-${partition} at offset ${fetchOffset}: its log is corrupt (CORRUPT_MESSAGE).`;
    return { kind: "fatal", error: new RepriseError("BATCH_CORRUPT", message, { details }) };
  }
  const name = retriable.get(errorCode);
  if (name !== undefined) return { kind: "retry", error: new Error(`${topic}-${partition}: ${name}`) };
  const message = `Kafka refuses to read ${topic}-${partition}, with error ${errorCode}.`;
  return { kind: "fatal", error: new RepriseError("KAFKA_FAILED", message, { details }) };
}
