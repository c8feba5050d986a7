import { failpoint } from "../internal/failpoint.ts";
import { type Interrupted, notInterrupted, Stopped } from "../internal/stopped.ts";
import type { CheckpointStore } from "../ports/checkpoint-store.ts";
import type { StateStore, StoredRow } from "../ports/state-store.ts";
import { metaRowKey } from "../state/row-key.ts";
import { encodeMeta, type TaskMeta } from "../task/task-meta.ts";

const rowsBegin = Buffer.from([1]);

/**
 * Ships a flushed task to the checkpoint store: durable when it resolves. The scan is a snapshot taken at the call, so the task may go on meanwhile.
 * Keeps the newest `kept` and removes older ones. Throws `Stopped`, and leaves nothing behind, when `interrupted` says so on the way.
 */
export async function writeCheckpoint(
  checkpoints: CheckpointStore,
  store: StateStore,
  meta: TaskMeta,
  kept: number,
  interrupted: Interrupted = notInterrupted,
): Promise<void> {
  const task = { deployment: meta.deployment, partition: meta.partition };
  const rows = withoutMeta(store.scan({ from: rowsBegin }), interrupted);
  await checkpoints.write(task, meta.n, encodeMeta(meta).toString("utf8"), rows);
  failpoint("checkpoint-written");
  const all = await checkpoints.list(task);
  for (const old of all.slice(Math.max(1, kept))) await checkpoints.remove(old);
  failpoint("checkpoints-pruned");
}

async function* withoutMeta(chunks: AsyncIterable<readonly StoredRow[]>, interrupted: Interrupted): AsyncGenerator<readonly StoredRow[]> {
  for await (const chunk of chunks) {
    if (interrupted()) throw new Stopped();
    yield chunk[0] !== undefined && metaRowKey.equals(chunk[0].key) ? chunk.slice(1) : chunk;
    failpoint("checkpoint-scanned");
  }
}
