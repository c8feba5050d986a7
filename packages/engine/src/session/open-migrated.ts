import { RepriseError } from "@reprise/schema";
import type { Manifest } from "@reprise/processor";
import type { Interrupted } from "../internal/stopped.ts";
import { planMigration, type StateMigration } from "../migrate/plan-migration.ts";
import { RowMigration } from "../migrate/row-migration.ts";
import type { StateStore } from "../ports/state-store.ts";
import { topicOfPosition } from "../task/position-name.ts";
import { type TaskMeta, zeroDigest } from "../task/task-meta.ts";
import { type Conversion, restoreCheckpoint } from "./restore-checkpoint.ts";
import type { SessionOptions } from "./session-options.ts";

export interface MigratedStore {
  readonly store: StateStore;
  readonly meta: TaskMeta;
  /** For people. */
  readonly how: string;
}

/**
 * The state of an older deployment's newest checkpoint that verifies, as the beginning of this one's: it goes on building from where that stood.
 * @throws RepriseError CHECKPOINT_MISSING · STATE_INCOMPATIBLE
 */
export async function openMigrated(
  options: SessionOptions,
  partition: number,
  from: string,
  interrupted: Interrupted,
): Promise<MigratedStore> {
  const older = options.control.state.deployments.get(from)?.spec;
  const reasons: string[] = [];
  if (older !== undefined) {
    const plan = planMigration(older.manifest as unknown as Manifest, options.processor.definition.manifest);
    const notes = plan.notes.length === 0 ? "" : ` (${plan.notes.join(", ")})`;
    for (const manifest of await options.checkpoints.list({ deployment: from, partition })) {
      const restored = await restoreCheckpoint(options, partition, manifest, interrupted, (meta) =>
        conversionOf(options, meta, plan, older.version),
      );
      if (!("discarded" in restored)) return { ...restored, how: `checkpoint ${manifest.n} of ${from}${notes}` };
      reasons.push(`checkpoint ${manifest.n}: ${restored.discarded}`);
    }
  }
  throw new RepriseError(
    "CHECKPOINT_MISSING",
    `task ${partition} of ${options.spec.id}: no checkpoint of ${from} to begin with (${reasons.join("; ") || "there is none"})`,
    { details: { deployment: options.spec.id, partition, checkpointOf: from } },
  );
}

function conversionOf(options: SessionOptions, old: TaskMeta, plan: StateMigration, fromVersion: number): Conversion {
  const rows = new RowMigration(plan, options.processor, fromVersion, old);
  return {
    row: (stored) => rows.row(stored),
    meta: (digest) => ({
      ...old,
      deployment: options.spec.id,
      mode: "building",
      n: 0,
      ...positionsOf(options, old),
      digest,
      outputs: zeroDigest,
      deltaFrom: 0,
    }),
  };
}

/** Of what this version reads. */
function positionsOf({ spec }: SessionOptions, { position, maxTimeMs }: TaskMeta): Pick<TaskMeta, "position" | "maxTimeMs"> {
  const topics = new Set([...spec.inputs, ...(spec.broadcasts ?? [])].map(({ topic }) => topic));
  const kept = <T>(all: { readonly [name: string]: T }): { readonly [name: string]: T } =>
    Object.fromEntries(Object.entries(all).filter(([name]) => topics.has(topicOfPosition(name))));
  return { position: kept(position), maxTimeMs: kept(maxTimeMs) };
}
