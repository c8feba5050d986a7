import { setImmediate as nextTurn } from "node:timers/promises";
import { DeltaAssembler } from "../commit/delta.ts";
import { RepriseError } from "@reprise/schema";
import { deltaTopicOf } from "../control/names.ts";
import { type Interrupted, Stopped } from "../internal/stopped.ts";
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
  const assembler = new DeltaAssembler();
  let position = await offsets.earliest(place);
  let n = after;
  systemReader.assign(place, position);
  try {
    while (n < last) {
      const columns = systemReader.take(place);
      if (columns === undefined) {
        if (position >= end) throw missing(source, n + 1);
        if (source.interrupted()) throw new Stopped();
        await systemReader.wait(100);
        await nextTurn();
        continue;
      }
      position = columns.nextOffset;
      for (let i = 0; i < columns.count && n < last; i++) {
        const start = columns.valueStarts[i] as number;
        const delta = assembler.add(columns.bytes.subarray(start, start + (columns.valueLengths[i] as number)));
        if (delta === undefined || delta.n <= n) continue;
        if (delta.n !== n + 1) throw missing(source, n + 1);
        n = delta.n;
        const rows = new Map<string, Buffer | null>();
        for (const { key, value } of decodeRows(delta.rows)) rows.set(key.toString("hex"), value);
        yield { meta: delta.meta, rows };
      }
    }
  } finally {
    systemReader.unassign(place);
  }
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
