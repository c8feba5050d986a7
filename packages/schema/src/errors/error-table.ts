/** One row of the table from which `docs/errors.md` is generated. */
export interface ErrorEntry {
  /** The same call may succeed later without anybody doing anything. */
  readonly retry: boolean;
  readonly meaning: string;
  readonly action: string;
}

const entry = (retry: boolean, meaning: string, action: string): ErrorEntry => ({ retry, meaning, action });

/** Every error that Reprise raises, by code. Codes are never reused. */
export const errorTable = {
  // Authoring
  INVALID_NAME: entry(false, "A name is not of the allowed form.", "Use a name that matches [a-z0-9][a-z0-9._-]{0,62}."),
  INVALID_DECLARATION: entry(false, "A processor's declaration is wrong.", "Correct the declaration that the message names."),
  NOT_SUPPORTED: entry(
    false,
    "The surface declares this, but this release can't run it yet.",
    "Use what the message suggests, or a later release.",
  ),
  NOT_DETERMINISTIC: entry(
    false,
    "A processor's sources use what a replay would give other results for.",
    "Take it from the record, ctx or a parameter; where it does no harm, say so above the line: // reprise-allow-nondeterminism: why.",
  ),
  ASYNC_HANDLER: entry(false, "A handler returned a promise.", "Make the handler synchronous; what must await belongs in an effect."),
  CONTEXT_EXPIRED: entry(false, "A handler's context was used after the handler had returned.", "Use the context only inside the handler."),
  SCHEMA_INVALID: entry(false, "A schema is wrong, or a value does not fit it.", "Correct the field that the message names."),
  ABI_UNSUPPORTED: entry(
    false,
    "The artifact was built for another ABI than this worker runs.",
    "Build it again, or run a worker of its release.",
  ),
  // Records
  RECORD_UNDECODABLE: entry(
    false,
    "A record can't be decoded with its input's schema.",
    "Correct the schema in a new version, or set onError.decode to skip or dead-letter.",
  ),
  HANDLER_FAILED: entry(false, "A handler threw.", "Correct the handler in a new version, or set onError.handler to skip or dead-letter."),
  RECORD_REJECTED: entry(false, "A handler rejected the record.", "See the dead-letter topic."),
  OUTPUT_INVALID: entry(false, "A value that a handler emitted does not fit its output's schema.", "Correct the handler in a new version."),
  BATCH_CORRUPT: entry(
    false,
    "A record batch of the log has a wrong checksum or can't be decompressed within bounds.",
    "Check the broker's disks; skip the offsets only when the records are known to be lost.",
  ),
  // Kafka
  BROKER_UNREACHABLE: entry(true, "No broker answered.", "Check that Kafka runs, and the bootstrap address."),
  TOPIC_MISSING: entry(false, "A topic does not exist.", "Create it, or correct its name in the declaration."),
  TOPIC_RECREATED: entry(
    false,
    "A topic was deleted and created anew since the deployment started.",
    "Deploy again: positions of the old topic mean nothing in the new one.",
  ),
  PARTITIONS_DIFFER: entry(
    false,
    "Inputs of one processor have different partition counts.",
    "Give all inputs the same number of partitions, or use rekey.",
  ),
  PARTITIONS_CHANGED: entry(
    false,
    "The number of partitions of an input changed since the deployment started.",
    "Deploy again: keys are in other partitions now.",
  ),
  INPUT_TRUNCATED: entry(
    false,
    "The log no longer has, or never had, the offset that a task needs.",
    "Check retention and leader elections; deploy again from an offset that exists.",
  ),
  KAFKA_FAILED: entry(true, "Kafka answered with an error.", "See the cause."),
  KAFKA_DENIED: entry(
    false,
    "Kafka denies this client what it needs, or is not set up for it.",
    "Grant what the message names, or change the setting, then start again.",
  ),
  OUTPUT_REFUSED: entry(
    false,
    "Kafka refuses a record that a task writes, again and again.",
    "Correct the topic that the message names (its max.message.bytes, that it exists); then start the worker again.",
  ),
  PRODUCER_FENCED: entry(
    false,
    "Another producer took over this transactional id, or a transaction timed out.",
    "Nothing: the session is opened anew.",
  ),
  JAVA_MISSING: entry(
    false,
    "Neither Java 17 nor Docker was found, so Kafka can't be started here.",
    "Install Java 17 or Docker, or set REPRISE_BOOTSTRAP to an existing cluster.",
  ),
  BROKER_START_FAILED: entry(false, "The embedded broker did not start.", "See its log file, which the message names."),
  // State
  STATE_LOCKED: entry(false, "The state folder is in use by another process.", "Stop the other process, or give this one another folder."),
  STATE_CORRUPT: entry(false, "A local store can't be read.", "Nothing: it is dropped and restored."),
  STATE_OTHER_ENGINE: entry(false, "A local store was written by another state engine.", "Nothing: it is dropped and restored."),
  ENGINE_MISSING: entry(
    false,
    "A state engine has no binary for this machine.",
    "Start the worker with --state-engine leveldb, or install the engine's build tools and packages.",
  ),
  STATE_FAILED: entry(
    true,
    "A local store failed for a reason outside of it.",
    "See the cause: permissions, open files, memory, a read-only disk.",
  ),
  DISK_FULL: entry(false, "The disk is full.", "Free space, then start the worker again: nothing that was committed is lost."),
  CHECKPOINT_CORRUPT: entry(false, "A checkpoint does not verify.", "Nothing when an older one exists; otherwise deploy again."),
  CHECKPOINT_FAILED: entry(
    true,
    "A checkpoint could not be read or written for a reason outside of it.",
    "See the cause: permissions, a read-only disk; a bucket, credentials or an address that is wrong. It is tried again.",
  ),
  STATE_INCOMPATIBLE: entry(
    false,
    "A version can't begin with the state of the older version that it was told to.",
    'Give a migrate() or "reset" for what the message names, or deploy from the earliest offset.',
  ),
  CHECKPOINT_MISSING: entry(
    false,
    "There is no checkpoint to begin with.",
    "Wait until the older deployment has written one, or deploy from the earliest offset.",
  ),
  DELTAS_LOST: entry(
    false,
    "No base is left from which a live task's state can be derived.",
    "Deploy the version again from the earliest offset.",
  ),
  CONTROL_LOST: entry(
    false,
    "The control topic is missing, another, or shorter than commit records say.",
    "Restore the control topic from a copy of it; without it nobody knows who published what.",
  ),
  // Control
  CONTROLLER_UNREACHABLE: entry(true, "The controller did not answer.", "Check that it runs, and its address (--controller)."),
  NOT_LEADER: entry(true, "This controller does not lead.", "Ask the leading controller."),
  REVISION_CONFLICT: entry(true, "Something else changed in the meantime.", "Look at the status again, then repeat the command."),
  DEPLOYMENT_UNKNOWN: entry(false, "There is no such deployment.", "See reprise status."),
  PROCESSOR_UNKNOWN: entry(false, "There is no such processor.", "See reprise status."),
  VIEW_UNKNOWN: entry(false, "The processor has no such view.", "Declare the state with view: true; the message lists the views."),
  STATE_UNKNOWN: entry(
    false,
    "The processor has no such state, window, timer or table.",
    "Name one that the version declares; the message lists them.",
  ),
  VERSION_FROZEN: entry(false, "This version was deployed before with other code.", "Give the changed code a new version number."),
  NOT_CAUGHT_UP: entry(false, "The deployment has not caught up.", "Wait for CaughtUp, or force it by name: --force not-caught-up."),
  ILLEGAL_STATE: entry(false, "The command makes no sense in the deployment's present state.", "See reprise status."),
  CUTOVER_IN_PROGRESS: entry(true, "A cutover of this processor is under way.", "Wait until it is completed."),
  NOT_SERVING: entry(true, "No worker can answer this query now.", "Try again; see reprise status."),
  INVALID_ARGUMENT: entry(false, "An argument is wrong.", "Correct the argument that the message names."),
  DECLARATION_CONFLICT: entry(false, "The declaration clashes with another deployment.", "Correct what the message names."),
  WORKER_FAILED: entry(false, "A worker process ended with an error.", "See its log."),
} as const satisfies { readonly [code: string]: ErrorEntry };

export type ErrorCode = keyof typeof errorTable;
