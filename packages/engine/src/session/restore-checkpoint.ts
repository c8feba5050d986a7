import { RepriseError } from "@reprise/schema";
import { failpoint } from "../internal/failpoint.ts";
import { type Interrupted, Stopped } from "../internal/stopped.ts";
import type { CheckpointManifest, CheckpointProgress } from "../ports/checkpoint-store.ts";
import type { RowWrite, StateStore, StoredRow } from "../ports/state-store.ts";
import { RowDigest } from "../state/row-digest.ts";
import { metaRowKey } from "../state/row-key.ts";
import { decodeMeta, encodeMeta, type TaskMeta } from "../task/task-meta.ts";
import type { SessionOptions } from "./session-options.ts";

/** Why a store or checkpoint is of no use. */
export type Discarded = { readonly discarded: string };

/** What becomes of a checkpoint on its way into a store of another version. */
export interface Conversion {
  /** Undefined: the row is left behind. */
  row(stored: StoredRow): StoredRow | undefined;
  /** @param digest over the converted rows */
  meta(digest: string): TaskMeta;
}

/** What restoring needs of a session's options. */
export interface RestoreOptions extends Pick<SessionOptions, "stateEngine" | "stateFolder" | "clock"> {
  readonly checkpoints: Pick<SessionOptions["checkpoints"], "read">;
  readonly observer?: Pick<SessionOptions["observer"], "restoring">;
}

/** Where a task's local store is. */
export const folderOf = (options: Pick<SessionOptions, "stateFolder">, partition: number): string => `${options.stateFolder}/${partition}`;

/** Rows per write into the local store. */
const batchRows = 10_000;

/**
 * Makes a task's local store, `<stateFolder>/<partition>`, out of a checkpoint that proves itself, as it is or converted. What was there is destroyed.
 * The store is open; the caller closes it.
 * @throws RepriseError of the ports; `Stopped` when `interrupted` says so on the way
 */
export async function restoreCheckpoint(
  options: RestoreOptions,
  partition: number,
  manifest: CheckpointManifest,
  interrupted: Interrupted,
  conversionOf?: (meta: TaskMeta) => Conversion,
): Promise<{ store: StateStore; meta: TaskMeta } | Discarded> {
  const meta = decodeMeta(manifest.meta);
  if (meta === undefined) return { discarded: "its meta is unreadable" };
  const folder = folderOf(options, partition);
  await options.stateEngine.destroy(folder);
  const store = await options.stateEngine.open(folder);
  failpoint("restore-begun");
  try {
    const conversion = conversionOf?.(meta);
    const pause = async (): Promise<void> => {
      await options.clock.nextTurn();
      if (interrupted()) throw new Stopped();
    };
    const onProgress = (progress: CheckpointProgress): void => options.observer?.restoring?.(partition, progress);
    const { read, written } = await copyRows(store, options.checkpoints.read(manifest, { onProgress }), partition, pause, conversion);
    failpoint("rows-restored");
    if (read !== meta.digest) {
      await store.close();
      return { discarded: `its rows have the digest ${read}, it says ${meta.digest}` };
    }
    const restored = conversion === undefined ? meta : conversion.meta(written);
    await store.write([{ key: metaRowKey, value: encodeMeta(restored) }]);
    failpoint("checkpoint-restored");
    return { store, meta: restored };
  } catch (error) {
    await store.close().catch(() => undefined);
    if (RepriseError.is(error) && error.code === "CHECKPOINT_CORRUPT") return { discarded: error.message };
    throw error;
  }
}

/** Copies rows into a store, with pauses in which others run; the digests over all that were read and written come from a scan, which proves them. */
async function copyRows(
  store: StateStore,
  chunks: AsyncIterable<readonly StoredRow[]>,
  seed: number,
  pause: () => Promise<void>,
  conversion: Conversion | undefined,
): Promise<{ readonly read: string; readonly written: string }> {
  const read = new RowDigest(seed);
  const written = conversion === undefined ? read : new RowDigest(seed);
  let batch: RowWrite[] = [];
  for await (const chunk of chunks) {
    for (const row of chunk) {
      read.add(row);
      const converted = conversion === undefined ? row : conversion.row(row);
      if (converted === undefined) continue;
      if (conversion !== undefined) written.add(converted);
      batch.push(converted);
    }
    if (batch.length >= batchRows) {
      await store.write(batch);
      batch = [];
    }
    await pause();
  }
  if (batch.length > 0) await store.write(batch);
  return { read: read.hex, written: written.hex };
}
