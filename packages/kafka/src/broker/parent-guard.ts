import { type ChildProcess, spawn } from "node:child_process";

/**
 * Ends a process when this one dies, even by kill -9: a `sh` (1 MB) in its own process group that reads a pipe whose other end
 * only this process holds. End of file means that this process is gone. Node's own ways (exit handlers, `detached: false`) do
 * not run on kill -9, and Java does not watch its standard input.
 */
export interface ParentGuard {
  /** The process ended by itself, or was stopped: nothing is to be done any more. */
  release(): void;
}

// $1 pid, $2 container name or empty, $3 folder to remove or empty. 10 s for a clean stop, then kill.
const script = `
cat >/dev/null
kill -TERM "$1" 2>/dev/null
i=0
while kill -0 "$1" 2>/dev/null && [ $i -lt 50 ]; do sleep 0.2; i=$((i+1)); done
kill -KILL "$1" 2>/dev/null
[ -n "$2" ] && docker rm -f "$2" >/dev/null 2>&1
[ -n "$3" ] && rm -rf "$3"
exit 0
`;

export function guardAgainstParentDeath(
  pid: number,
  cleanup: { readonly containerName?: string; readonly removeFolder?: string } = {},
): ParentGuard {
  const guard: ChildProcess = spawn(
    "sh",
    ["-c", script, "reprise-guard", String(pid), cleanup.containerName ?? "", cleanup.removeFolder ?? ""],
    {
      // Its own group: Ctrl-C in the terminal ends this process first, and the guard then does its work.
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    },
  );
  guard.on("error", () => undefined);
  guard.stdin?.on("error", () => undefined);
  guard.unref();
  (guard.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return {
    // Before the pipe closes: a closed pipe is what the guard takes for our death.
    release: () => void guard.kill("SIGKILL"),
  };
}
