/**
 * The places at which tests kill a process, by what it is doing there: each is between two steps of a protocol, and who is started in its place has to go on.
 * A name says what has just happened.
 */
export const failpoints = {
  commit: ["transaction-begun", "outputs-produced", "deltas-produced", "offsets-sent", "transaction-committed", "commit-folded"],
  flush: ["flush-begun", "flush-written"],
  checkpoint: [
    "base-written",
    "live-committed",
    "checkpoint-flushed",
    "checkpoint-scanned",
    "checkpoint-rows-stored",
    "checkpoint-written",
    "checkpoints-pruned",
  ],
  restore: [
    "producer-fenced",
    "producer-initialised",
    "control-read",
    "commit-record-read",
    "store-discarded",
    "restore-begun",
    "rows-restored",
    "checkpoint-restored",
    "delta-applied",
    "deltas-applied",
    "task-opened",
  ],
  rebalance: ["assigned", "revoke-asked", "revoke-committed", "revoke-closed", "revoke-answered"],
  cutover: [
    "after-intent",
    "after-fence",
    "after-read",
    "after-cut",
    "before-completed",
    "after-completed",
    "session-fenced",
    "session-parked",
    "publishing-began",
  ],
  deployment: ["after-created", "after-topics", "after-retiring", "after-group-deleted", "after-delta-deleted", "before-retired"],
} as const;

export type Failpoint = (typeof failpoints)[keyof typeof failpoints][number];

/** Read once: where nothing is asked for, a failpoint is one comparison. */
const [armed, passes = "1"] = process.env["REPRISE_FAILPOINT"]?.split("*") ?? [];
let left = Number(passes);

function die(): void {
  // For whoever looks why it is gone: written at once, to a file or a pipe.
  process.stderr.write(`failpoint ${armed}\n`);
  process.kill(process.pid, "SIGKILL");
}

/**
 * Dies as by `kill -9`, at once and without any clean-up, where REPRISE_FAILPOINT names this point; `name*3`: when it comes there the third time. For tests:
 * nothing but the environment of the process can ask for it.
 */
export function failpoint(name: Failpoint): void {
  if (armed === name && --left === 0) die();
}
