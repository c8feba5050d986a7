import { setTimeout as sleep } from "node:timers/promises";

/** Asks `probe` until it answers something else than undefined. @throws naming `what` when it takes longer than `timeoutMs` */
export async function until<T>(what: string, timeoutMs: number, probe: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${Math.round(timeoutMs / 1000)} s`);
    await sleep(100);
  }
}
