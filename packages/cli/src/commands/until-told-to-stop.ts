/** After a signal: what is under way is finished first. A broker that is away must not hold up the end for ever. */
const signalGraceMs = 30_000;
/** After the supervisor is gone: its broker goes too, and there is nothing to finish with. Ending like a killed one loses nothing. */
const orphanGraceMs = 4_000;

/**
 * Resolves on SIGINT, SIGTERM, or when the process that started this one is gone: a supervisor's children hold an IPC channel to it, which
 * ends with it, even by kill -9. Call it first: who is told while it starts has to end too. A second signal, or a clean end that takes too
 * long, ends the process at once.
 */
export function untilToldToStop(): Promise<void> {
  return new Promise((resolve) => {
    let told = false;
    const stop = (graceMs: number): void => {
      if (told) process.exit(130);
      told = true;
      setTimeout(() => process.exit(1), graceMs).unref();
      resolve();
    };
    process.on("SIGINT", () => stop(signalGraceMs));
    process.on("SIGTERM", () => stop(signalGraceMs));
    if (process.channel === undefined) return;
    const orphaned = (): void => {
      if (!told) stop(orphanGraceMs);
    };
    process.once("disconnect", orphaned);
    // It went while this process was still loading its modules: nobody will be told any more.
    if (!process.connected) orphaned();
    // The channel alone must not keep a process alive that has finished.
    process.channel?.unref();
  });
}
