/**
 * Resolves on SIGINT, SIGTERM, or when the process that started this one is gone: a supervisor's children hold an IPC channel to it, which
 * ends with it, even by kill -9. A second signal ends the process at once.
 */
export function untilToldToStop(): Promise<void> {
  return new Promise((resolve) => {
    let told = false;
    const stop = (): void => {
      if (told) process.exit(130);
      told = true;
      resolve();
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
    if (process.channel === undefined) return;
    process.once("disconnect", () => {
      if (!told) stop();
    });
    // The channel alone must not keep a process alive that has finished.
    process.channel?.unref();
  });
}
