/**
 * What an error of librdkafka says, as far as a transaction is concerned:
 * - `fenced`: another producer has the id, or the coordinator gave the transaction up; the codes can't tell which.
 * - `denied`: this client may not, or this cluster can't: no other try, and no other producer, changes that.
 * - `passing`: leaders, coordinators, connections and quotas: the same may go well a moment later.
 * - `member`: the group's offsets are not this member's to commit any more.
 * - `refused`: what was written is wrong: its size, its topic, its time. The same again would be refused again.
 * - `broken`: the producer's own state is not what the broker, or the caller, believes.
 * - `elsewhere`: answers to what no transaction asks for, or marks of the client's own that are no errors of a call.
 */
export type ErrorClass = "fenced" | "denied" | "passing" | "member" | "refused" | "broken" | "elsewhere";

/** Kafka's codes are positive, librdkafka's own negative. Names are those of the protocol and of rdkafka.h. */
const codesOf: { readonly [name in ErrorClass]: readonly number[] } = {
  // _FENCED, INVALID_PRODUCER_EPOCH, PRODUCER_FENCED
  fenced: [-144, 47, 90],
  denied: [
    // _AUTHENTICATION, _UNSUPPORTED_FEATURE, _NOT_IMPLEMENTED, _NOT_CONFIGURED, _UNKNOWN_PROTOCOL, _INVALID_ARG
    ...[-169, -165, -170, -145, -171, -186],
    // authorisation: topic, group, cluster, transactional id, delegation token; SASL: mechanism, state, failed
    ...[29, 30, 31, 53, 65, 33, 34, 58],
    // UNSUPPORTED_VERSION, INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT, SECURITY_DISABLED
    ...[35, 42, 50, 54],
    // INVALID_REQUIRED_ACKS, INVALID_CONFIG, UNSUPPORTED_COMPRESSION_TYPE, DELEGATION_TOKEN_EXPIRED, PRINCIPAL_DESERIALIZATION_FAILURE, INVALID_GROUP_ID
    ...[21, 40, 76, 66, 97, 24],
  ],
  passing: [
    // _TRANSPORT, _RESOLVE, _CRIT_SYS_RESOURCE, _ALL_BROKERS_DOWN, _TIMED_OUT, _QUEUE_FULL, _ISR_INSUFF, _NODE_UPDATE, _SSL, _WAIT_COORD
    ...[-195, -193, -194, -187, -185, -184, -183, -182, -181, -180],
    // _MSG_TIMED_OUT, _IN_PROGRESS, _PREV_IN_PROGRESS, _TIMED_OUT_QUEUE, _WAIT_CACHE, _INTR, _RETRY, _UNKNOWN_BROKER, _DESTROY_BROKER
    ...[-192, -178, -177, -166, -164, -163, -153, -146, -137],
    // LEADER_NOT_AVAILABLE, NOT_LEADER, REQUEST_TIMED_OUT, BROKER_ and REPLICA_NOT_AVAILABLE, STALE_CTRL_EPOCH, NETWORK_EXCEPTION
    ...[5, 6, 7, 8, 9, 11, 13],
    // COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR, NOT_ENOUGH_REPLICAS (_AFTER_APPEND), NOT_CONTROLLER
    ...[14, 15, 16, 19, 20, 41],
    // CONCURRENT_TRANSACTIONS, TRANSACTION_COORDINATOR_FENCED, OPERATION_NOT_ATTEMPTED, KAFKA_STORAGE_ERROR, LOG_DIR_NOT_FOUND
    ...[51, 52, 55, 56, 57],
    // FENCED_ and UNKNOWN_LEADER_EPOCH, STALE_BROKER_EPOCH, OFFSET_NOT_AVAILABLE, PREFERRED_ and ELIGIBLE_LEADERS_NOT_AVAILABLE
    ...[74, 75, 77, 78, 80, 83],
    // UNSTABLE_OFFSET_COMMIT, THROTTLING_QUOTA_EXCEEDED, REBOOTSTRAP_REQUIRED
    ...[88, 89, 129],
  ],
  member: [
    // _ASSIGNMENT_LOST, _UNKNOWN_GROUP, _MAX_POLL_EXCEEDED
    ...[-142, -179, -147],
    // ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID, REBALANCE_IN_PROGRESS, MEMBER_ID_REQUIRED, FENCED_INSTANCE_ID, GROUP_ID_NOT_FOUND
    ...[22, 25, 27, 79, 82, 69],
    // GROUP_MAX_SIZE_REACHED, FENCED_ and STALE_MEMBER_EPOCH, UNRELEASED_INSTANCE_ID
    ...[81, 110, 113, 111],
  ],
  refused: [
    // _BAD_MSG, _BAD_COMPRESSION, _UNKNOWN_PARTITION, _UNKNOWN_TOPIC
    ...[-199, -198, -190, -188],
    // INVALID_MSG, UNKNOWN_TOPIC_OR_PART, INVALID_MSG_SIZE, MSG_SIZE_TOO_LARGE, OFFSET_METADATA_TOO_LARGE, TOPIC_EXCEPTION
    ...[2, 3, 4, 10, 12, 17],
    // RECORD_LIST_TOO_LARGE, INVALID_COMMIT_OFFSET_SIZE, INVALID_TIMESTAMP, INVALID_RECORD, UNKNOWN_TOPIC_ID
    ...[18, 28, 32, 87, 100],
    // UNSUPPORTED_FOR_MESSAGE_FORMAT, POLICY_VIOLATION: of one topic
    ...[43, 44],
  ],
  broken: [
    // _DESTROY, _FAIL, _CONFLICT, _STATE, _PURGE_QUEUE, _PURGE_INFLIGHT, _FATAL, _INCONSISTENT, _GAPLESS_GUARANTEE, _OUTDATED
    ...[-197, -196, -173, -172, -152, -151, -150, -149, -148, -167],
    // UNKNOWN, OUT_OF_ORDER_ and DUPLICATE_SEQUENCE_NUMBER, INVALID_TXN_STATE, INVALID_PRODUCER_ID_MAPPING, UNKNOWN_PRODUCER_ID
    ...[-1, 45, 46, 48, 49, 59],
  ],
  elsewhere: [
    // _BEGIN, _END, NO_ERROR: marks
    ...[-200, -100, 0],
    // consumers, files and callers of librdkafka
    ...[-191, -189, -176, -175, -174, -168, -162, -161, -160, -159, -158, -157, -156, -155, -154, -143, -141, -140, -139, -138],
    // fetching, groups' protocols, topics, delegation tokens, reassignment, elections, features, share groups, telemetry
    ...[1, 23, 26, 36, 37, 38, 39, 60, 61, 62, 63, 64, 67, 68, 70, 71, 72, 73, 84, 85, 86, 91, 92, 93, 94, 95, 96, 112, 117, 118],
  ],
};

const classes: ReadonlyMap<number, ErrorClass> = new Map(
  Object.entries(codesOf).flatMap(([name, codes]) => codes.map((code) => [code, name as ErrorClass] as const)),
);

/** Undefined: a code of a later librdkafka. */
export function errorClassOf(code: number): ErrorClass | undefined {
  return classes.get(code);
}
