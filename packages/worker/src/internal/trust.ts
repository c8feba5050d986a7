import { setTimeout as sleep } from "node:timers/promises";
import { groupOf, type GroupOffsets, type Session } from "@reprise/engine";

/** A worker that could not read its commit records for this long may have been replaced without knowing it. */
const trustedForMs = 10_000;
const intervalMs = 2_000;

/** Whether a worker's answers may still be those of the owner of its tasks (design section 8, queries). */
export class Trust {
  private lastReadMs = performance.now();
  private readonly stopping = new AbortController();

  constructor(groupOffsets: GroupOffsets, deployment: string, leadTopic: string, session: () => Session | undefined) {
    void this.run(groupOffsets, deployment, leadTopic, session);
  }

  get mayAnswer(): boolean {
    return performance.now() - this.lastReadMs <= trustedForMs;
  }

  stop(): void {
    this.stopping.abort();
  }

  private async run(groupOffsets: GroupOffsets, deployment: string, topic: string, session: () => Session | undefined): Promise<void> {
    while (!this.stopping.signal.aborted) {
      const partitions = [...(session()?.tasks.keys() ?? [])].map((partition) => ({ topic, partition }));
      try {
        if (partitions.length > 0) await groupOffsets.committed(groupOf(deployment), partitions);
        this.lastReadMs = performance.now();
      } catch {
        // Not reading is what this measures.
      }
      await sleep(intervalMs, undefined, { signal: this.stopping.signal }).catch(() => undefined);
    }
  }
}
