import { RepriseError } from "@reprise/schema";

/** The answer that came with an error of @platformatic/kafka, when the broker did answer. */
export function responseOf<Response>(error: unknown): Response | undefined {
  if (typeof error !== "object" || error === null) return undefined;
  return (error as { response?: Response }).response;
}

/** Kafka's error codes that this package acts on, by the protocol's names. */
export const kafkaError = {
  offsetOutOfRange: 1,
  unknownTopicOrPartition: 3,
  leaderNotAvailable: 5,
  notLeaderOrFollower: 6,
  requestTimedOut: 7,
  coordinatorLoadInProgress: 14,
  coordinatorNotAvailable: 15,
  notCoordinator: 16,
  topicAlreadyExists: 36,
  notController: 41,
  concurrentTransactions: 51,
  nonEmptyGroup: 68,
  groupIdNotFound: 69,
  fencedLeaderEpoch: 74,
  offsetNotAvailable: 78,
  unstableOffsetCommit: 88,
} as const;

/** Errors after which the same request, to whoever is leader or coordinator by then, may succeed. */
const passing: ReadonlySet<number> = new Set([
  kafkaError.leaderNotAvailable,
  kafkaError.notLeaderOrFollower,
  kafkaError.requestTimedOut,
  kafkaError.coordinatorLoadInProgress,
  kafkaError.coordinatorNotAvailable,
  kafkaError.notCoordinator,
  kafkaError.notController,
  kafkaError.fencedLeaderEpoch,
  kafkaError.offsetNotAvailable,
]);

export function isPassing(code: number): boolean {
  return passing.has(code);
}

/** An error that Kafka answered with, naming what was asked for. */
export function kafkaFailed(what: string, code: number, message?: string | null): RepriseError {
  const text =
    message === undefined || message === null || message === "" ? `error ${code}` : `error ${code}: ${message.replace(/\.$/, "")}`;
  return new RepriseError("KAFKA_FAILED", `${what}: Kafka answered with ${text}.`, { details: { kafkaCode: code } });
}

/**
 * The answer, whether or not it carries errors: callers look at the codes of each part. Rejects only when there was no answer.
 * (@platformatic/kafka rejects when any part has an error, which would lose the others.)
 */
export async function answered<Response>(request: Promise<Response>): Promise<Response> {
  try {
    return await request;
  } catch (error) {
    const response = responseOf<Response>(error);
    if (response === undefined) throw error;
    return response;
  }
}
