import { randomUUID } from "node:crypto";
import { Connection, fetchV17, metadataV12 } from "@platformatic/kafka";
import { parseBootstrap } from "../../src/connection-options.ts";

/** The broker of this run; see global-setup.ts. */
export function bootstrapOfRun(): string {
  const bootstrap = process.env["REPRISE_BOOTSTRAP"];
  if (bootstrap === undefined) throw new Error("REPRISE_BOOTSTRAP is not set: vitest's globalSetup did not run.");
  return bootstrap;
}

/** A name that no other test of this broker has. */
export function unique(prefix: string): string {
  return `${prefix}-${randomUUID().slice(0, 8)}`;
}

export const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** What a read_committed reader sees in a partition, as text: an independent look at the log, through none of the code under test. */
export async function committedValues(topic: string, partition = 0, bootstrap = bootstrapOfRun()): Promise<string[]> {
  const [address] = parseBootstrap(bootstrap);
  if (address === undefined) throw new Error("There is no address.");
  const connection = new Connection("test-reader");
  await connection.connect(address.host, address.port);
  try {
    const { topics } = await metadataV12.api.async(connection, [topic], false, false);
    const topicId = topics[0]?.topicId as string;
    const values: string[] = [];
    for (let offset = 0n; ; ) {
      const answer = await fetchV17.api.async(
        connection,
        100,
        0,
        50_000_000,
        1,
        0,
        -1,
        [
          {
            topicId,
            partitions: [{ partition, currentLeaderEpoch: -1, fetchOffset: offset, lastFetchedEpoch: -1, partitionMaxBytes: 50_000_000 }],
          },
        ],
        [],
        "",
      );
      const found = answer.responses[0]?.partitions[0];
      const batches = found?.records ?? [];
      if (found === undefined || batches.length === 0) return values;
      const aborted = found.abortedTransactions.map((each) => ({ ...each, ended: false }));
      for (const batch of batches) {
        const open = aborted.find((each) => each.producerId === batch.producerId && each.firstOffset <= batch.firstOffset && !each.ended);
        if ((batch.attributes & 0x20) !== 0) {
          if (open !== undefined) open.ended = true;
        } else if (open === undefined) for (const record of batch.records) values.push(record.value?.toString() ?? "");
        offset = batch.firstOffset + BigInt(batch.lastOffsetDelta) + 1n;
      }
    }
  } finally {
    await connection.close();
  }
}
