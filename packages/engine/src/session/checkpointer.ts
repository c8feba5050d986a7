import { RepriseError } from "@reprise/schema";
import { failpoint } from "../internal/failpoint.ts";
import { type Interrupted, notInterrupted, Stopped } from "../internal/stopped.ts";
import type { CheckpointManifest, CheckpointStore, CheckpointWriteOptions } from "../ports/checkpoint-store.ts";
import type { RowWrite, StateStore, StoredRow } from "../ports/state-store.ts";
import { decodeRows } from "../state/row-buffer.ts";
import { RowDigest } from "../state/row-digest.ts";
import { metaRowKey } from "../state/row-key.ts";
import { decodeMeta, encodeMeta, type TaskMeta } from "../task/task-meta.ts";
import { deltaChain } from "./delta-chain.ts";
import type { RunningTask } from "./running-task.ts";
import type { SessionOptions } from "./session-options.ts";

const rowsBegin = Buffer.from([1]);
/** A whole copy of less than this is not worth sparing. */
const smallBytes = 1 << 20;

/** What a checkpoint cost. */
export interface CheckpointSize {
  readonly kind: "whole" | "changes";
  /** Stored for it alone. */
  readonly bytes: number;
}

/**
 * Ships a flushed task to the checkpoint store, whole: durable when it resolves. The scan is a snapshot taken at the call, so the task may go on
 * meanwhile. Keeps the newest `kept` and removes older ones. Throws `Stopped`, and leaves nothing behind, when `interrupted` says so on the way.
 * @throws RepriseError STATE_CORRUPT when the rows are not those that the task's digest is of; of the port
 */
export async function writeCheckpoint(
  checkpoints: CheckpointStore,
  store: StateStore,
  meta: TaskMeta,
  kept: number,
  interrupted: Interrupted = notInterrupted,
  options: CheckpointWriteOptions = {},
): Promise<CheckpointSize> {
  const task = { deployment: meta.deployment, partition: meta.partition };
  const rows = provenRows(store.scan({ from: rowsBegin }), meta, interrupted);
  const written = await checkpoints.write(task, meta.n, encodeMeta(meta).toString("utf8"), rows, options);
  await removeOlder(checkpoints, task, kept);
  return { kind: "whole", bytes: written.writtenBytes };
}

/**
 * The next checkpoint of a live task, beside its loop: of its last commit, or a whole copy where `wholeCheckpoint` says so, for which it was flushed.
 * Given up when the task is closed.
 * @param end next offset after all deltas up to the last commit
 * @throws as `writeCheckpoint` and `extendCheckpoint`; after STATE_CORRUPT the local store is not opened again
 */
export async function shipCheckpoint(options: SessionOptions, running: RunningTask, end: number): Promise<CheckpointSize | "whole"> {
  const { meta } = running.task;
  const interrupted = (): boolean => running.closing;
  running.giveUpCheckpoint = new AbortController();
  const { signal } = running.giveUpCheckpoint;
  if (running.wholeCheckpoint !== true) return await extendCheckpoint(options, meta, end, interrupted, { signal });
  const { checkpoints, limits } = options;
  try {
    return await writeCheckpoint(checkpoints, running.store, meta, limits.keptCheckpoints, interrupted, { signal });
  } catch (error) {
    // Without its meta row a store is dropped when it is opened, and made anew from a checkpoint and deltas.
    if (RepriseError.is(error) && error.code === "STATE_CORRUPT") await running.store.write([{ key: metaRowKey, value: null }]);
    throw error;
  }
}

/** The last chunk comes only when the digest over all rows is the task's: a damaged store must not become a checkpoint. */
async function* provenRows(
  chunks: AsyncIterable<readonly StoredRow[]>,
  meta: TaskMeta,
  interrupted: Interrupted,
): AsyncGenerator<readonly StoredRow[]> {
  const digest = new RowDigest(meta.partition);
  for await (const chunk of chunks) {
    if (interrupted()) throw new Stopped();
    const rows = chunk[0] !== undefined && metaRowKey.equals(chunk[0].key) ? chunk.slice(1) : chunk;
    for (const row of rows) digest.add(row);
    yield rows;
    failpoint("checkpoint-scanned");
  }
  if (digest.hex === meta.digest) return;
  throw new RepriseError(
    "STATE_CORRUPT",
    `the local store of task ${meta.partition} of ${meta.deployment} has rows with the digest ${digest.hex} at commit ${meta.n}, and says ${meta.digest}`,
    { details: { deployment: meta.deployment, partition: meta.partition, n: meta.n } },
  );
}

/**
 * Ships what changed since the newest checkpoint, out of the deltas since then: it needs neither the local store nor what the task knows, so it is
 * the same after a restart, and when the store was away for a while. "whole": a whole copy is what is to be written, because there is none to
 * build on, too much has changed, or the deltas since then don't lead here.
 *
 * Why whole copies at times: restoring reads all changes since the last one, so they are bounded by half of its size; it is written again when as
 * much has changed, which keeps what all checkpoints cost in proportion to what changed.
 * @param meta of the last commit
 * @param end next offset after all deltas up to it
 * @throws RepriseError of the port, of reading the log; `Stopped` when `interrupted` says so
 */
export async function extendCheckpoint(
  options: SessionOptions,
  meta: TaskMeta,
  end: number,
  interrupted: Interrupted,
  writeOptions: CheckpointWriteOptions,
): Promise<CheckpointSize | "whole"> {
  const { checkpoints, limits } = options;
  const task = { deployment: meta.deployment, partition: meta.partition };
  const [newest] = await checkpoints.list(task);
  const from = newest === undefined ? undefined : decodeMeta(newest.meta);
  if (newest === undefined || from === undefined || from.mode !== "live" || from.n > meta.n) return "whole";
  if (from.n === meta.n) return from.digest === meta.digest ? { kind: "changes", bytes: 0 } : "whole";
  const budgetBytes = changeBudget(newest);
  if (budgetBytes <= 0) return "whole";
  try {
    const changes = changesBetween(options, from, meta, end, budgetBytes, interrupted);
    const written = await checkpoints.extend(newest, meta.n, encodeMeta(meta).toString("utf8"), changes, writeOptions);
    await removeOlder(checkpoints, task, limits.keptCheckpoints);
    return { kind: "changes", bytes: written.writtenBytes };
  } catch (error) {
    if (leadsNowhere(error)) return "whole";
    throw error;
  }
}

class TooMuchChanged extends Error {}

const unreadable: ReadonlySet<string> = new Set(["DELTAS_LOST", "INPUT_TRUNCATED", "BATCH_CORRUPT", "CHECKPOINT_CORRUPT"]);

/** Deltas that are gone, damaged or don't follow, and a checkpoint that is damaged, can't be built on. */
function leadsNowhere(error: unknown): boolean {
  if (error instanceof TooMuchChanged || error instanceof RangeError || error instanceof SyntaxError) return true;
  return RepriseError.is(error) && unreadable.has(error.code);
}

function changeBudget({ bytes, changedBytes = 0 }: CheckpointManifest): number {
  return Math.max(smallBytes, (bytes - changedBytes) / 2) - changedBytes;
}

async function* changesBetween(
  options: SessionOptions,
  from: TaskMeta,
  to: TaskMeta,
  end: number,
  budgetBytes: number,
  interrupted: Interrupted,
): AsyncGenerator<readonly RowWrite[]> {
  let bytes = 0;
  let digest = from.digest;
  for await (const delta of deltaChain(options, from, to.n, end, interrupted)) {
    bytes += delta.rows.length;
    if (bytes > budgetBytes) throw new TooMuchChanged();
    digest = delta.after;
    yield [...decodeRows(delta.rows)];
  }
  if (digest !== to.digest)
    throw new RepriseError("DELTAS_LOST", `the deltas up to ${to.n} lead to the digest ${digest}, ours is ${to.digest}`);
}

async function removeOlder(checkpoints: CheckpointStore, task: { deployment: string; partition: number }, kept: number): Promise<void> {
  failpoint("checkpoint-written");
  const all = await checkpoints.list(task);
  for (const old of all.slice(Math.max(1, kept))) await checkpoints.remove(old);
  failpoint("checkpoints-pruned");
}
