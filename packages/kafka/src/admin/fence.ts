import { initProducerIdV4 } from "@platformatic/kafka";
import { type Cluster, mayPass } from "../internal/cluster.ts";
import { retrying } from "../internal/retry.ts";
import { answered, kafkaError, kafkaFailed } from "../internal/wire-error.ts";

/** What the id's metadata says until its next owner initialises; no transaction begins in between. */
const transactionTimeoutMs = 10_000;

/**
 * InitProducerId to each id's coordinator. An open transaction is aborted first: until its markers are written Kafka answers
 * CONCURRENT_TRANSACTIONS, for 5 to 30 ms, and is asked again at once (librdkafka waits 500 ms, which is why this is raw).
 */
export async function fence(cluster: Cluster, transactionalIds: readonly string[]): Promise<void> {
  await Promise.all(
    [...new Set(transactionalIds)].map((id) =>
      retrying(
        {
          what: `Fencing transactional id '${id}'`,
          timeoutMs: 30_000,
          firstDelayMs: 2,
          maxDelayMs: 20,
          mayPass: (error) =>
            mayPass(error) || (error as { details?: { kafkaCode?: number } }).details?.kafkaCode === kafkaError.concurrentTransactions,
        },
        async () => {
          const answer = await cluster.coordinator("transaction", id, (connection) =>
            answered(initProducerIdV4.api.async(connection, id, transactionTimeoutMs, -1n, -1)),
          );
          if (answer.errorCode === 0) return;
          if (answer.errorCode !== kafkaError.concurrentTransactions) cluster.forgetCoordinator("transaction", id);
          throw kafkaFailed(`Fencing transactional id '${id}'`, answer.errorCode);
        },
      ),
    ),
  );
}
