import { type CompiledProcessor, planMigration, RowDigest, RowMigration, zeroDigest } from "@reprise/engine";
import type { RunBase } from "./run.ts";

/** What a run of `to` begins with that starts from the state of a run of `from`. Its log is another one: positions begin at 0. */
export function migratedBase(from: CompiledProcessor, base: RunBase, to: CompiledProcessor): RunBase {
  const plan = planMigration(from.definition.manifest, to.definition.manifest);
  // Nor was anything routed there.
  const { origins: _before, ...meta } = base.meta;
  const migration = new RowMigration(plan, to, from.version, meta);
  const digest = new RowDigest(meta.partition);
  const rows = base.rows.flatMap((row) => migration.row(row) ?? []);
  for (const row of rows) digest.add(row);
  return { rows, meta: { ...meta, n: 0, position: {}, digest: digest.hex, outputs: zeroDigest } };
}
