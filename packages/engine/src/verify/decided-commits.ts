import { RepriseError } from "@reprise/schema";
import { readDeltas } from "../commit/read-deltas.ts";
import { deltaTopicOf } from "../control/names.ts";
import type { Interrupted } from "../internal/stopped.ts";
import type { LogReader } from "../ports/log-reader.ts";
import type { TopicOffsets } from "../ports/topic-offsets.ts";
import { decodeRows } from "../state/row-buffer.ts";
import type { TaskMeta } from "../task/task-meta.ts";

/** What was decided of a task at a position. */
export interface DecidedCommit {
  readonly meta: TaskMeta;
  /** The rows that it changed, by key as hex; null: it deleted the row. Undefined where that is not known (a checkpoint). */
  readonly rows: ReadonlyMap<string, Buffer | null> | undefined;
}

export interface DeltaSource {
  readonly deployment: string;
  readonly partition: number;
  readonly systemReader: LogReader;
  readonly offsets: TopicOffsets;
  readonly interrupted: Interrupted;
}

/**
 * The commits of a live task after n = `after` up to n = `last`, by its deltas.
 * @throws RepriseError DELTAS_LOST: one is missing or unreadable
 */
export async function* decidedCommits(source: DeltaSource, after: number, last: number): AsyncGenerator<DecidedCommit> {
  const { systemReader, offsets, partition, deployment } = source;
  if (after >= last) return;
  const place = { topic: deltaTopicOf(deployment), partition };
  const end = await offsets.highWatermark(place);
  let n = after;
  for await (const delta of readDeltas(systemReader, place, await offsets.earliest(place), end, source.interrupted)) {
    if (delta.n <= n) continue;
    if (delta.n !== n + 1) throw missing(source, n + 1);
    n = delta.n;
    const rows = new Map<string, Buffer | null>();
    for (const { key, value } of decodeRows(delta.rows)) rows.set(key.toString("hex"), value);
    yield { meta: delta.meta, rows };
    if (n === last) return;
  }
  throw missing(source, n + 1);
}

/** Whether the delta topic still has commit `n`. */
export async function hasDelta(source: DeltaSource, n: number): Promise<boolean> {
  try {
    for await (const { meta } of decidedCommits(source, n - 1, n)) return meta.n === n;
  } catch (error) {
    if (!RepriseError.is(error) || error.code !== "DELTAS_LOST") throw error;
  }
  return false;
}

function missing({ deployment, partition }: DeltaSource, n: number): RepriseError {
  return new RepriseError("DELTAS_LOST", `task ${partition} of ${deployment}: delta ${n} is missing`, {
    details: { deployment, partition, n },
  });
}
