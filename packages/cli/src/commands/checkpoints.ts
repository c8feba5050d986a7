import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { type CheckpointArchive, openCheckpointStore } from "@reprise/checkpoint";
import {
  type CheckpointManifest,
  type CheckpointProgress,
  restoreCheckpoint,
  systemClock,
  type TaskId,
  verifyCheckpoint,
} from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { rocksDbEngine } from "@reprise/state";
import type { Command } from "commander";
import { wholeNumber } from "../arguments.ts";
import { defaultDevFolder, devFolder } from "../dev/dev-folder.ts";
import { bar, formatBytes, formatCount, formatDuration, table } from "../output/format.ts";
import { checkpointsOption } from "./operator-options.ts";
import { AnsweredNo, type Reporter } from "../output/reporter.ts";

const barWidth = 20;

interface StoreFlags {
  readonly checkpoints: string;
  readonly partition?: number;
}

/** `reprise checkpoints …`: works on the store alone, asks neither Kafka nor a controller. */
export function addCheckpointsCommand(program: Command, reporter: Reporter): void {
  const checkpoints = program.command("checkpoints").description("checkpoints of tasks: list, verify, restore and prune them");
  const command = (name: string): Command =>
    checkpointsOption(checkpoints.command(name), devFolder(defaultDevFolder).checkpoints)
      .option("--partition <n>", "of this task only", wholeNumber(0))
      .option("--json", "one line of JSON on standard output, last");
  command("list")
    .description("what there is, newest first, and what it cost")
    .argument("[deployment]", "default: all")
    .action((deployment: string | undefined, flags: StoreFlags) => list(reporter, deployment, flags));
  command("verify")
    .description("read checkpoints to their end, and compare hashes and the digest of the state")
    .argument("[deployment]", "default: all")
    .action((deployment: string | undefined, flags: StoreFlags) => verify(reporter, deployment, flags));
  command("restore")
    .description("make local stores out of checkpoints, as a worker does: <folder>/<task>")
    .argument("<deployment>")
    .requiredOption("--into <folder>", "where no stores are yet")
    .option("--commit <n>", "the checkpoint of this commit (default: the newest one)", wholeNumber(0))
    .action((deployment: string, flags: RestoreFlags) => restore(reporter, deployment, flags));
  command("prune")
    .description("remove all but the newest checkpoints, and delete what no checkpoint needs any more")
    .argument("[deployment]", "default: all")
    .option("--keep <n>", "so many of each task", wholeNumber(1), 2)
    .option("--now", "delete at once, also what somebody may be reading or writing (default: after 15 minutes)")
    .action((deployment: string | undefined, flags: PruneFlags) => prune(reporter, deployment, flags));
}

async function list(reporter: Reporter, deployment: string | undefined, flags: StoreFlags): Promise<void> {
  const store = openCheckpointStore(flags.checkpoints);
  const found: CheckpointManifest[] = [];
  for (const task of await tasksOf(store, deployment, flags)) found.push(...(await store.list(task)));
  const head = ["deployment", "task", "commit", "rows", "size", "stored for it", "age"];
  const cells = found.map(({ deployment: of, partition, n, rows, bytes, writtenBytes, createdAtMs }) => {
    const age = formatDuration(Math.max(0, Date.now() - createdAtMs));
    return [of, String(partition), String(n), formatCount(rows), formatBytes(bytes), formatBytes(writtenBytes), age];
  });
  const text = found.length === 0 ? `There are no checkpoints in ${flags.checkpoints}` : table([head, ...cells]).join("\n");
  reporter.result({ checkpoints: found.map(aboutManifest) }, text);
}

async function verify(reporter: Reporter, deployment: string | undefined, flags: StoreFlags): Promise<void> {
  const store = openCheckpointStore(flags.checkpoints);
  const faults: string[] = [];
  const verified: object[] = [];
  for (const task of await tasksOf(store, deployment, flags)) {
    const { manifests, damaged } = await store.inspect(task);
    for (const address of damaged) {
      faults.push(`the manifest ${address} does not verify`);
      reporter.line(`✗ ${faults.at(-1)}`);
    }
    for (const manifest of manifests) {
      const name = nameOf(manifest);
      try {
        const { rows, digest } = await verifyCheckpoint(store, manifest, {
          onProgress: (progress) => drawProgress(reporter, name, progress),
        });
        verified.push({ ...aboutManifest(manifest), stateRows: rows, digest });
        reporter.line(`✓ ${name}: ${formatCount(rows)} rows, digest ${digest}`);
      } catch (error) {
        if (!RepriseError.is(error) || error.code !== "CHECKPOINT_CORRUPT") throw error;
        faults.push(`${name}: ${error.message}`);
        reporter.line(`✗ ${faults.at(-1)}`);
      }
    }
  }
  const ok = faults.length === 0;
  const count = `${formatCount(verified.length)} checkpoint${verified.length === 1 ? "" : "s"} verified`;
  const nothing = `There are no checkpoints in ${flags.checkpoints}`;
  const text = !ok ? `${count}, ${formatCount(faults.length)} not` : verified.length === 0 ? nothing : count;
  reporter.result({ ok, verified, faults }, text);
  if (!ok) throw new AnsweredNo();
}

interface RestoreFlags extends StoreFlags {
  readonly into: string;
  readonly commit?: number;
}

async function restore(reporter: Reporter, deployment: string, flags: RestoreFlags): Promise<void> {
  const store = openCheckpointStore(flags.checkpoints);
  const restored: object[] = [];
  for (const task of await tasksOf(store, deployment, flags)) {
    const manifests = await store.list(task);
    const manifest = flags.commit === undefined ? manifests[0] : manifests.find(({ n }) => n === flags.commit);
    if (manifest === undefined) {
      const known = manifests.map(({ n }) => n).join(", ") || "none";
      throw missing(
        `task ${task.partition} of ${deployment} has no checkpoint ${flags.commit ?? ""} in ${flags.checkpoints}; it has: ${known}`,
        task,
      );
    }
    const folder = resolve(flags.into, String(task.partition));
    if ((await readdir(folder).catch(() => [])).length > 0)
      throw new RepriseError("INVALID_ARGUMENT", `${folder} is there already; restoring would replace it`, { details: { folder } });
    const started = performance.now();
    const name = nameOf(manifest);
    const restoring = (_: number, progress: CheckpointProgress): void => drawProgress(reporter, name, progress);
    const options = {
      stateEngine: rocksDbEngine(),
      stateFolder: resolve(flags.into),
      checkpoints: store,
      observer: { restoring },
      clock: systemClock,
    };
    const result = await restoreCheckpoint(options, task.partition, manifest, () => false);
    if ("discarded" in result) {
      await options.stateEngine.destroy(folder);
      throw new RepriseError("CHECKPOINT_CORRUPT", `${name}: ${result.discarded}`, { details: { ...task, n: manifest.n } });
    }
    await result.store.close();
    const durationMs = performance.now() - started;
    restored.push({ ...aboutManifest(manifest), folder, durationMs: Math.round(durationMs) });
    reporter.line(`✓ ${name}: ${formatCount(manifest.rows)} rows in ${formatDuration(durationMs)}, ${folder}`);
  }
  reporter.result({ restored }, "");
}

interface PruneFlags extends StoreFlags {
  readonly keep: number;
  readonly now?: true;
}

async function prune(reporter: Reporter, deployment: string | undefined, flags: PruneFlags): Promise<void> {
  const store = openCheckpointStore(flags.checkpoints);
  const removed: CheckpointManifest[] = [];
  let objects = 0;
  let bytes = 0;
  for (const task of await tasksOf(store, deployment, flags)) {
    for (const manifest of (await store.list(task)).slice(flags.keep)) {
      await store.remove(manifest);
      removed.push(manifest);
    }
    const collected = await store.collect(task, { leftovers: true, ...(flags.now === true ? { graceMs: 0 } : {}) });
    objects += collected.objects;
    bytes += collected.bytes;
  }
  const count = `${formatCount(removed.length)} checkpoint${removed.length === 1 ? "" : "s"}`;
  reporter.result(
    { removed: removed.map(({ deployment: of, partition, n }) => ({ deployment: of, partition, n })), objects, bytes },
    `removed ${count}, deleted ${formatCount(objects)} objects of ${formatBytes(bytes)}`,
  );
}

/** @throws RepriseError CHECKPOINT_MISSING naming what was asked for and where */
async function tasksOf(store: CheckpointArchive, deployment: string | undefined, flags: StoreFlags): Promise<TaskId[]> {
  const deployments = deployment === undefined ? await store.deployments() : [deployment];
  const tasks: TaskId[] = [];
  for (const one of deployments) for (const partition of await store.partitions(one)) tasks.push({ deployment: one, partition });
  const wanted = tasks.filter(({ partition }) => flags.partition === undefined || partition === flags.partition);
  if (wanted.length > 0 || (deployment === undefined && flags.partition === undefined)) return wanted;
  const what = [...(flags.partition === undefined ? [] : [`task ${flags.partition}`]), ...(deployment === undefined ? [] : [deployment])];
  throw missing(`there are no checkpoints of ${what.join(" of ")} in ${flags.checkpoints}`, { deployment, partition: flags.partition });
}

function missing(
  message: string,
  { deployment, partition }: { readonly deployment?: string | undefined; readonly partition?: number | undefined },
) {
  return new RepriseError("CHECKPOINT_MISSING", message, { details: { deployment, partition } });
}

const nameOf = ({ deployment, partition, n }: CheckpointManifest): string => `checkpoint ${n} of task ${partition} of ${deployment}`;

function aboutManifest({ deployment, partition, n, rows, bytes, writtenBytes, changedBytes = 0, sha256, createdAtMs }: CheckpointManifest) {
  return { deployment, partition, n, rows, bytes, writtenBytes, changedBytes, sha256, createdAtMs };
}

function drawProgress(reporter: Reporter, name: string, { rows, bytes, totalBytes }: CheckpointProgress): void {
  const fraction = totalBytes === 0 ? 1 : bytes / totalBytes;
  reporter.draw([`${bar(fraction, barWidth)} ${name}: ${formatCount(rows)} rows, ${formatBytes(bytes)} of ${formatBytes(totalBytes)}`]);
}
