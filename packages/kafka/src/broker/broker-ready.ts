import { setTimeout as sleep } from "node:timers/promises";
import { openCluster } from "../internal/cluster.ts";

/**
 * Resolves to true when a broker at this address answers metadata requests and coordinates groups and transactions (whose
 * topics Kafka creates when first asked), to false when `givenUp` says so or the time is up.
 */
export async function brokerReady(bootstrap: string, timeoutMs: number, givenUp: () => boolean): Promise<boolean> {
  const deadline = performance.now() + timeoutMs;
  // Short: a port that is bound but whose broker does not answer yet.
  const cluster = openCluster({ bootstrap, connectTimeoutMs: 1_000, requestTimeoutMs: 2_000, clientId: "reprise-ready" });
  try {
    while (performance.now() < deadline && !givenUp()) {
      try {
        const { brokers } = await cluster.metadata([]);
        if (brokers.length > 0) {
          await cluster.coordinator("group", "reprise-ready", async () => undefined);
          await cluster.coordinator("transaction", "reprise-ready", async () => undefined);
          return true;
        }
      } catch {
        // Not yet: the loop's condition decides.
      }
      await sleep(50);
    }
    return false;
  } finally {
    await cluster.close();
  }
}
