import type { StoredRow } from "../ports/state-store.ts";
import { RowDigest } from "./row-digest.ts";
import { metaRowKey } from "./row-key.ts";

/** What a scan of a whole store gives. */
export interface ScannedStore {
  /** Over all rows but the meta row, as the task computes it. */
  readonly digest: string;
  readonly rows: number;
  /** The meta row, of the same moment as the rows. */
  readonly meta: Uint8Array | undefined;
}

/**
 * The digest over the rows of a scan from the first key on.
 * @param partition the task's, which seeds the hashes
 * @param afterChunk awaited after each chunk, with its rows
 */
export async function scanDigest(
  chunks: AsyncIterable<readonly StoredRow[]>,
  partition: number,
  afterChunk?: (rows: number) => Promise<void>,
): Promise<ScannedStore> {
  const digest = new RowDigest(partition);
  let rows = 0;
  let meta: Uint8Array | undefined;
  for await (const chunk of chunks) {
    for (const row of chunk) {
      if (metaRowKey.equals(row.key)) meta = row.value;
      else {
        digest.add(row);
        rows += 1;
      }
    }
    await afterChunk?.(chunk.length);
  }
  return { digest: digest.hex, rows, meta };
}
