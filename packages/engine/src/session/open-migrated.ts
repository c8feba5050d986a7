import { RepriseError } from "@reprise/schema";
import type { Manifest } from "@reprise/processor";
import { planMigration } from "../migrate/plan-migration.ts";
import { RowMigration } from "../migrate/row-migration.ts";
import type { CheckpointManifest } from "../ports/checkpoint-store.ts";
import type { RowWrite, StateStore, StoredRow } from "../ports/state-store.ts";
import { RowDigest } from "../state/row-digest.ts";
import { metaRowKey } from "../state/row-key.ts";
import { decodeMeta, encodeMeta, type TaskMeta, zeroDigest } from "../task/task-meta.ts";
import type { SessionOptions } from "./session-options.ts";

export interface MigratedStore {
  readonly store: StateStore;
  readonly meta: TaskMeta;
  /** For people. */
  readonly how: string;
}

/** Rows per write into the local store. */
const batchRows = 10_000;

/**
 * The state of an older deployment's newest checkpoint that verifies, as the beginning of this one's: it goes on building from where that stood.
 * @throws RepriseError CHECKPOINT_MISSING · STATE_INCOMPATIBLE
 */
export async function openMigrated(options: SessionOptions, partition: number, from: string): Promise<MigratedStore> {
  const older = options.control.state.deployments.get(from)?.spec;
  const reasons: string[] = [];
  if (older !== undefined) {
    const plan = planMigration(older.manifest as unknown as Manifest, options.processor.definition.manifest);
    for (const manifest of await options.checkpoints.list({ deployment: from, partition })) {
      const meta = decodeMeta(manifest.meta);
      const migrated =
        meta === undefined ? "its meta is unreadable" : await migrate(options, partition, manifest, meta, plan, older.version);
      if (typeof migrated !== "string") return migrated;
      reasons.push(`checkpoint ${manifest.n}: ${migrated}`);
    }
  }
  throw new RepriseError(
    "CHECKPOINT_MISSING",
    `task ${partition} of ${options.spec.id}: no checkpoint of ${from} to begin with (${reasons.join("; ") || "there is none"})`,
    { details: { deployment: options.spec.id, partition, checkpointOf: from } },
  );
}

/** Or why the checkpoint is none. */
async function migrate(
  options: SessionOptions,
  partition: number,
  manifest: CheckpointManifest,
  old: TaskMeta,
  plan: ReturnType<typeof planMigration>,
  fromVersion: number,
): Promise<MigratedStore | string> {
  const folder = `${options.stateFolder}/${partition}`;
  await options.stateEngine.destroy(folder);
  const store = await options.stateEngine.open(folder);
  try {
    const { processor } = options;
    const stateTimeMs = (processor.heldSlot === undefined ? old.streamTimeMs : old.watermarkMs) ?? Number.NEGATIVE_INFINITY;
    const rows = new RowMigration(plan, processor, fromVersion, stateTimeMs);
    const [read, written] = [new RowDigest(partition), new RowDigest(partition)];
    let batch: RowWrite[] = [];
    const write = async (): Promise<void> => {
      await store.write(batch);
      batch = [];
    };
    for await (const chunk of options.checkpoints.read(manifest)) {
      for (const row of chunk) {
        read.add(row);
        const migrated: StoredRow | undefined = rows.row(row);
        if (migrated === undefined) continue;
        written.add(migrated);
        batch.push(migrated);
      }
      if (batch.length >= batchRows) await write();
    }
    if (read.hex !== old.digest) {
      await store.close();
      return `its rows have the digest ${read.hex}, it says ${old.digest}`;
    }
    const meta: TaskMeta = {
      ...old,
      deployment: options.spec.id,
      mode: "building",
      n: 0,
      ...positionsOf(options, old),
      digest: written.hex,
      outputs: zeroDigest,
      deltaFrom: 0,
    };
    batch.push({ key: metaRowKey, value: encodeMeta(meta) });
    await write();
    const how = `checkpoint ${manifest.n} of ${manifest.deployment}${plan.notes.length === 0 ? "" : ` (${plan.notes.join(", ")})`}`;
    return { store, meta, how };
  } catch (error) {
    await store.close().catch(() => undefined);
    if (RepriseError.is(error) && error.code === "CHECKPOINT_CORRUPT") return error.message;
    throw error;
  }
}

/** Of what this version reads. */
function positionsOf({ spec }: SessionOptions, { position, maxTimeMs }: TaskMeta): Pick<TaskMeta, "position" | "maxTimeMs"> {
  const topics = new Set([...spec.inputs, ...(spec.broadcasts ?? [])].map(({ topic }) => topic));
  const kept = <T>(all: { readonly [name: string]: T }): { readonly [name: string]: T } =>
    Object.fromEntries(Object.entries(all).filter(([name]) => topics.has(name.split("/")[0] as string)));
  return { position: kept(position), maxTimeMs: kept(maxTimeMs) };
}
