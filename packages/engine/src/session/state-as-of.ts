import { RepriseError } from "@reprise/schema";
import type { DeploymentSpec } from "../control/control-event.ts";
import { deltaTopicOf } from "../control/names.ts";
import { readDeltas } from "../commit/read-deltas.ts";
import { notInterrupted } from "../internal/stopped.ts";
import type { CheckpointStore } from "../ports/checkpoint-store.ts";
import { systemClock } from "../ports/clock.ts";
import type { LogReader } from "../ports/log-reader.ts";
import type { StateStore, StateStoreEngine } from "../ports/state-store.ts";
import type { TopicOffsets } from "../ports/topic-offsets.ts";
import { decodeRows } from "../state/row-buffer.ts";
import { decodeMeta, newTaskMeta, type TaskMeta } from "../task/task-meta.ts";
import { restoreCheckpoint } from "./restore-checkpoint.ts";

/** Which state of a task. `position`: after the last commit that had processed nothing at or beyond it. */
export type StateTarget =
  | { readonly kind: "checkpoint"; readonly n?: number }
  | { readonly kind: "commit"; readonly n: number }
  | { readonly kind: "position"; readonly topic: string; readonly offset: number };

export interface StateAsOfOptions {
  readonly spec: DeploymentSpec;
  readonly partition: number;
  /** The deployment published from its start: what was before commit 1 is the empty state. */
  readonly publishesFromStart: boolean;
  readonly checkpoints: Pick<CheckpointStore, "list" | "read">;
  readonly reader: LogReader;
  readonly offsets: TopicOffsets;
  /** Where the state is put together; in memory, usually. */
  readonly engine: StateStoreEngine;
  readonly folder: string;
}

/** A task's state out of a checkpoint and the deltas after it. The caller closes the store. */
export interface StateAsOf {
  readonly store: StateStore;
  readonly meta: TaskMeta;
  /** For people: which base, how many deltas. */
  readonly how: string;
}

/**
 * The state of a task as it was. Nothing that runs is asked or disturbed.
 * @throws RepriseError CHECKPOINT_MISSING naming what there is
 */
export async function stateAsOf(options: StateAsOfOptions, target: StateTarget): Promise<StateAsOf> {
  const base = await baseOf(options, target);
  if (target.kind === "checkpoint") return base;
  const { spec, partition, reader, offsets } = options;
  const delta = { topic: deltaTopicOf(spec.id), partition };
  let { meta } = base;
  try {
    const end = await offsets.highWatermark(delta);
    const from = Math.max(meta.deltaFrom, await offsets.earliest(delta));
    for await (const whole of readDeltas(reader, delta, from, end)) {
      if (whole.n <= meta.n) continue;
      if (whole.n !== meta.n + 1 || whole.before !== meta.digest) break;
      if (!isReached(target, whole.meta)) break;
      await base.store.write([...decodeRows(whole.rows)]);
      meta = whole.meta;
    }
    if (target.kind === "commit" && meta.n !== target.n)
      throw missing(options, `deltas lead from ${base.how} to commit ${meta.n} only`, target);
  } catch (error) {
    await base.store.close();
    throw error;
  }
  const applied = meta.n - base.meta.n;
  return { store: base.store, meta, how: applied === 0 ? base.how : `${base.how} + ${applied} deltas` };
}

/** The newest state from which deltas may lead to the target; of a checkpoint, that one. */
async function baseOf(options: StateAsOfOptions, target: StateTarget): Promise<StateAsOf> {
  const { spec, partition, engine, folder, checkpoints } = options;
  const restoring = { stateEngine: engine, stateFolder: folder, checkpoints, clock: systemClock };
  const all = await checkpoints.list({ deployment: spec.id, partition });
  const reasons: string[] = [];
  for (const manifest of all) {
    const meta = decodeMeta(manifest.meta);
    const fits =
      target.kind === "checkpoint" ? target.n === undefined || manifest.n === target.n : meta !== undefined && isReached(target, meta);
    if (!fits) continue;
    const restored = await restoreCheckpoint(restoring, partition, manifest, notInterrupted);
    if (!("discarded" in restored)) return { ...restored, how: `checkpoint ${manifest.n}` };
    reasons.push(`checkpoint ${manifest.n}: ${restored.discarded}`);
  }
  if (target.kind !== "checkpoint" && options.publishesFromStart) {
    await engine.destroy(`${folder}/${partition}`);
    return { store: await engine.open(`${folder}/${partition}`), meta: newTaskMeta(spec.id, partition, "live"), how: "empty state" };
  }
  const present = all.length === 0 ? "it has none" : `it has ${all.map(({ n }) => n).join(", ")}`;
  throw missing(options, reasons.length === 0 ? `none of its checkpoints fits: ${present}` : reasons.join("; "), target);
}

const isReached = (target: Exclude<StateTarget, { kind: "checkpoint" }>, meta: TaskMeta): boolean =>
  target.kind === "commit" ? meta.n <= target.n : (meta.position[target.topic] ?? 0) <= target.offset;

function missing({ spec, partition }: StateAsOfOptions, why: string, target: StateTarget): RepriseError {
  const what =
    target.kind === "position"
      ? `${target.topic} offset ${target.offset}`
      : target.kind === "commit"
        ? `commit ${target.n}`
        : `checkpoint ${target.n ?? "(newest)"}`;
  return new RepriseError("CHECKPOINT_MISSING", `task ${partition} of ${spec.id} has no state of ${what}: ${why}`, {
    details: { deployment: spec.id, partition },
  });
}
