import { createRequire } from "node:module";
import { RepriseError } from "@reprise/schema";
import type * as KafkaJavascript from "@confluentinc/kafka-javascript";

type NativeClient = Pick<typeof KafkaJavascript, "Producer" | "KafkaConsumer">;

/** What the binding's declarations leave out of `KafkaConsumer`. */
export interface CooperativeConsumer {
  rebalanceProtocol(): "NONE" | "EAGER" | "COOPERATIVE";
  incrementalAssign(partitions: readonly { readonly topic: string; readonly partition: number; readonly offset: number }[]): void;
  incrementalUnassign(partitions: readonly { readonly topic: string; readonly partition: number }[]): void;
}

let loaded: NativeClient | undefined;

/**
 * librdkafka's binding, loaded when the first writer or membership is made: who only reads or administers (controller, CLI)
 * does not need the native addon. It loads once per process and not in a second thread.
 */
export function nativeClient(): NativeClient {
  if (loaded !== undefined) return loaded;
  try {
    loaded = createRequire(import.meta.url)("@confluentinc/kafka-javascript") as NativeClient;
  } catch (error) {
    throw new RepriseError(
      "KAFKA_FAILED",
      `The native Kafka client (@confluentinc/kafka-javascript) can't be loaded: ${error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)}. Install it again; where its prebuilt binary is not reachable, with CKJS_LINKING=dynamic and a C++ compiler.`,
      { cause: error },
    );
  }
  return loaded;
}

/** What librdkafka reports, as far as the flags were kept on the way. */
export interface NativeError {
  readonly code: number;
  readonly message: string;
  readonly isFatal?: boolean | undefined;
  readonly isRetriable?: boolean | undefined;
  readonly isTxnRequiresAbort?: boolean | undefined;
}

export function isNativeError(error: unknown): error is NativeError {
  return typeof error === "object" && error !== null && typeof (error as { code?: unknown }).code === "number";
}

/** One call of the callback kind as a promise. */
export function called<Result = void>(call: (done: (error: unknown, result?: Result) => void) => void): Promise<Result> {
  return new Promise((resolve, reject) =>
    call((error, result) => {
      // The binding reports success as undefined, null or, in places, false; errors are its own objects with a code.
      if (error) reject(error as Error);
      else resolve(result as Result);
    }),
  );
}

/** librdkafka's codes that this package acts on; Kafka's own are positive. */
export const nativeCode = {
  fenced: -144,
  maxPollExceeded: -147,
  inconsistent: -149,
  fatal: -150,
  conflict: -173,
  revokePartitions: -174,
  assignPartitions: -175,
  queueFull: -184,
  timedOut: -185,
  unknownTopic: -188,
  unknownPartition: -190,
  invalidProducerEpoch: 47,
  invalidProducerIdMapping: 49,
  clusterAuthorizationFailed: 31,
  transactionalIdAuthorizationFailed: 53,
  topicAuthorizationFailed: 29,
  groupAuthorizationFailed: 30,
  fencedInstanceId: 82,
  producerFenced: 90,
} as const;
