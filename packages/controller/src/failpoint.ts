/** The places at which tests kill the controller: each is between two steps of a protocol, where a restart has to go on. */
export type Failpoint =
  | "after-created"
  | "after-topics"
  | "after-intent"
  | "after-fence"
  | "after-read"
  | "after-cut"
  | "before-completed"
  | "after-completed"
  | "after-retiring"
  | "after-group-deleted"
  | "after-delta-deleted"
  | "before-retired";

/** Dies as by `kill -9`, at once and without any clean-up, when REPRISE_FAILPOINT names this point. */
export function failpoint(name: Failpoint): void {
  if (process.env.REPRISE_FAILPOINT === name) process.kill(process.pid, "SIGKILL");
}
