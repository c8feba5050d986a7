import { RepriseError } from "@reprise/schema";
import { type CommitRecord, decodeCommitRecord } from "../commit/commit-record.ts";
import { DeltaAssembler } from "../commit/delta.ts";
import { deltaTopicOf, groupOf } from "../control/names.ts";
import { type Interrupted, notInterrupted, Stopped } from "../internal/stopped.ts";
import type { CheckpointManifest } from "../ports/checkpoint-store.ts";
import type { StateStore } from "../ports/state-store.ts";
import { decodeRows } from "../state/row-buffer.ts";
import { metaRowKey } from "../state/row-key.ts";
import { decodeMeta, encodeMeta, newTaskMeta, type TaskMeta } from "../task/task-meta.ts";
import { earliestPositions } from "./earliest-positions.ts";
import { openMigrated } from "./open-migrated.ts";
import { type Discarded, folderOf, restoreCheckpoint } from "./restore-checkpoint.ts";
import type { SessionOptions } from "./session-options.ts";

/** A task's store as it has to be to go on, and from where. */
export interface OpenedStore {
  readonly store: StateStore;
  readonly meta: TaskMeta;
  readonly storeIsEmpty: boolean;
  /** Kafka has a commit record of the task. */
  readonly recorded: boolean;
  /** For people: which base, how many deltas. */
  readonly how: string;
}

/** A store that may be the base of a live task: its meta, and the store when it is open already. */
interface Base {
  readonly meta: TaskMeta;
  readonly store: StateStore;
  readonly how: string;
}

type Opened = Omit<OpenedStore, "recorded">;

/**
 * Opens the store of a task that this session owns (design section 5, steps 4 to 7; the caller did 1 to 3):
 * reads the commit record, then finds the base from which the decided state can be derived.
 *
 * | commit record | base | result |
 * |---|---|---|
 * | none, deployment publishes from its start | – | live, n = 0, empty, from the earliest offsets |
 * | none or building | local store of this deployment | goes on building from there |
 * | none or building | newest checkpoint that verifies | goes on building from there |
 * | none or building | neither, and it starts from an older deployment's checkpoint | builds from there, rows migrated |
 * | none or building | neither | builds from the earliest offsets |
 * | live at N | local store, checkpoints newest first, or (published from its start) the empty state, with n ≤ N | deltas n + 1 … N applied, digests compared |
 * | live at N | none of them leads to N | DELTAS_LOST |
 *
 * A local store that is not used is destroyed, never repaired.
 * @throws RepriseError CONTROL_LOST · DELTAS_LOST · STATE_LOCKED · DISK_FULL; `Stopped` when `interrupted` says so
 */
export async function openTaskStore(
  options: SessionOptions,
  partition: number,
  interrupted: Interrupted = notInterrupted,
): Promise<OpenedStore> {
  const lead = options.spec.inputs[0] as { topic: string };
  // 4. The commit record, require-stable: no transaction of a former owner is pending any more.
  const [committed] = await options.groupOffsets.committed(groupOf(options.spec.id), [{ topic: lead.topic, partition }]);
  const record = committed === undefined ? undefined : decodeCommitRecord(committed.metadata);
  if (committed !== undefined && record === undefined) {
    throw new RepriseError(
      "DECLARATION_CONFLICT",
      `the group ${groupOf(options.spec.id)} has an offset for ${lead.topic}-${partition} that Reprise did not commit`,
    );
  }
  // Another worker may have read further before it committed: only the end of the log tells.
  if (record !== undefined && record.control > options.control.position) await options.control.readToEnd(interrupted);
  if (record !== undefined && record.control > options.control.position) {
    throw new RepriseError(
      "CONTROL_LOST",
      `a commit of task ${partition} of ${options.spec.id} knew the control topic up to offset ${record.control}, and it ends at ${options.control.position}: it is another one, or cut short`,
      { details: { deployment: options.spec.id, partition, known: record.control, end: options.control.position } },
    );
  }
  const opened =
    record?.mode === "live"
      ? await openLive(options, partition, record, interrupted)
      : await openBuilding(options, partition, record, interrupted);
  return { ...opened, recorded: record !== undefined };
}

/** Whether the deployment published from its start: its state at n = 0 is the empty one. */
export function publishesFromStart(options: SessionOptions): boolean {
  const first = options.control.state.processors.get(options.spec.processor)?.intervals[0];
  return first !== undefined && first.deployment === options.spec.id && Object.keys(first.from).length === 0;
}

async function openBuilding(
  options: SessionOptions,
  partition: number,
  record: CommitRecord | undefined,
  interrupted: Interrupted,
): Promise<Opened> {
  const local = await openLocal(options, partition);
  const manifests = await options.checkpoints.list({ deployment: options.spec.id, partition });
  const lost = decidedBefore(local?.meta, manifests);
  if (lost > 0) {
    await local?.store.close();
    throw new RepriseError(
      "DELTAS_LOST",
      `task ${partition} of ${options.spec.id} has a state of commit ${lost}, and Kafka no commit record of it: committed offsets are gone`,
      { details: { deployment: options.spec.id, partition, n: lost } },
    );
  }
  if (record === undefined && publishesFromStart(options)) {
    await local?.store.close();
    return fresh(options, partition, "live", "empty state");
  }
  if (local !== undefined)
    return { store: local.store, meta: { ...local.meta, mode: "building", n: 0 }, storeIsEmpty: false, how: "local store" };
  for (const manifest of manifests) {
    const restored = await restoreCheckpoint(options, partition, manifest, interrupted);
    if ("discarded" in restored) continue;
    return {
      store: restored.store,
      meta: { ...restored.meta, mode: "building", n: 0 },
      storeIsEmpty: false,
      how: `checkpoint ${manifest.n}`,
    };
  }
  const { start } = options.spec;
  if (start !== "earliest") return { ...(await openMigrated(options, partition, start.checkpointOf, interrupted)), storeIsEmpty: false };
  return fresh(options, partition, "building", "empty state");
}

/**
 * The newest commit that was decided, as far as a local store and checkpoints know: without a commit record of it, going on from anywhere would publish
 * again. A base, n = 0, says nothing: it is written before it is decided.
 */
function decidedBefore(local: TaskMeta | undefined, manifests: readonly CheckpointManifest[]): number {
  return Math.max(local?.mode === "live" ? local.n : 0, manifests[0]?.n ?? 0);
}

async function openLive(options: SessionOptions, partition: number, record: CommitRecord, interrupted: Interrupted): Promise<Opened> {
  // After the commit record was read: the deltas of every decided commit lie below this.
  const end = await options.offsets.highWatermark({ topic: deltaTopicOf(options.spec.id), partition });
  const reasons: string[] = [];
  for await (const base of basesOf(options, partition, record, reasons, interrupted)) {
    const result = await followDeltas(options, partition, base, record, end, interrupted).catch(async (error: unknown) => {
      // The next session opens the store again: left open, it would be locked.
      await base.store.close().catch(() => undefined);
      throw error;
    });
    if (!("discarded" in result)) return result;
    reasons.push(`${base.how}: ${result.discarded}`);
    await base.store.close();
  }
  throw new RepriseError(
    "DELTAS_LOST",
    `task ${partition} of ${options.spec.id}: no base leads to commit ${record.n} (${reasons.join("; ") || "there is none"})`,
    {
      details: { deployment: options.spec.id, partition, n: record.n },
    },
  );
}

/** Step 5: what can be the base, best first. */
async function* basesOf(
  options: SessionOptions,
  partition: number,
  record: CommitRecord,
  reasons: string[],
  interrupted: Interrupted,
): AsyncGenerator<Base> {
  const local = await openLocal(options, partition);
  if (local !== undefined) {
    if (local.meta.mode === "live" && local.meta.n <= record.n) yield { ...local, how: "local store" };
    else {
      reasons.push(`local store: ${local.meta.mode} at commit ${local.meta.n}`);
      await local.store.close();
    }
  }
  for (const manifest of await options.checkpoints.list({ deployment: options.spec.id, partition })) {
    if (manifest.n > record.n) {
      reasons.push(`checkpoint ${manifest.n}: newer than the commit record`);
      continue;
    }
    const restored = await restoreCheckpoint(options, partition, manifest, interrupted);
    if ("discarded" in restored) reasons.push(`checkpoint ${manifest.n}: ${restored.discarded}`);
    else yield { ...restored, how: `checkpoint ${manifest.n}` };
  }
  if (publishesFromStart(options)) {
    const empty = await fresh(options, partition, "live", "empty state");
    // Where it began is what was decided, not where the log begins now: what was deleted meanwhile must not be jumped over.
    const meta = record.n === 0 ? { ...empty.meta, position: { ...empty.meta.position, ...record.position } } : empty.meta;
    yield { store: empty.store, meta, how: "empty state" };
  }
}

async function fresh(options: SessionOptions, partition: number, mode: "building" | "live", how: string): Promise<Opened> {
  const folder = folderOf(options, partition);
  await options.stateEngine.destroy(folder);
  const position = await earliestPositions(options.spec, options.offsets, partition);
  const meta = newTaskMeta(options.spec.id, partition, mode, position);
  return { store: await options.stateEngine.open(folder), meta, storeIsEmpty: true, how };
}

/** The local store when it is this deployment's and says where it stands; anything else is destroyed. */
async function openLocal(options: SessionOptions, partition: number): Promise<{ store: StateStore; meta: TaskMeta } | undefined> {
  const folder = folderOf(options, partition);
  let store: StateStore | undefined;
  try {
    store = await options.stateEngine.open(folder);
    const bytes = store.get(metaRowKey);
    const meta = bytes === undefined ? undefined : decodeMeta(bytes);
    if (meta !== undefined && meta.deployment === options.spec.id && meta.partition === partition) return { store, meta };
  } catch (error) {
    if (!RepriseError.is(error) || error.code !== "STATE_CORRUPT") {
      await store?.close().catch(() => undefined);
      throw error;
    }
  }
  await store?.close().catch(() => undefined);
  await options.stateEngine.destroy(folder);
  return undefined;
}

/** Deltas that are gone or damaged, or a damaged store, lead nowhere from this base (step 7); another one may need fewer of them. */
const unreadable: ReadonlySet<string> = new Set(["INPUT_TRUNCATED", "BATCH_CORRUPT", "DELTAS_LOST", "STATE_CORRUPT"]);

async function followDeltas(...args: Parameters<typeof applyDeltas>): Promise<Opened | Discarded> {
  try {
    return await applyDeltas(...args);
  } catch (error) {
    if (error instanceof RangeError || error instanceof SyntaxError || (RepriseError.is(error) && unreadable.has(error.code)))
      return { discarded: error.message };
    throw error;
  }
}

/** Step 6: deltas n + 1, n + 2, …, only whole and only where 'digest before' is ours, until N. */
async function applyDeltas(
  options: SessionOptions,
  partition: number,
  base: Base,
  record: CommitRecord,
  end: number,
  interrupted: Interrupted,
): Promise<Opened | Discarded> {
  let { meta } = base;
  const first = meta.n;
  const delta = { topic: deltaTopicOf(options.spec.id), partition };
  if (meta.n < record.n) {
    const assembler = new DeltaAssembler();
    const from = Math.max(meta.deltaFrom, await options.offsets.earliest(delta));
    options.systemReader.assign(delta, from);
    try {
      let position = from;
      while (meta.n < record.n) {
        const columns = options.systemReader.take(delta);
        if (columns === undefined) {
          // The end of the partition is no reason to stop: only when all that was there after step 4 was read is N missing.
          if (position >= end) return { discarded: `delta ${meta.n + 1} is missing` };
          if (interrupted()) throw new Stopped();
          await options.systemReader.wait(100);
          // A reader with something else to take answers at once: let I/O have its turn.
          await options.clock.nextTurn();
          continue;
        }
        position = columns.nextOffset;
        for (let i = 0; i < columns.count && meta.n < record.n; i++) {
          const start = columns.valueStarts[i] as number;
          const whole = assembler.add(columns.bytes.subarray(start, start + (columns.valueLengths[i] as number)));
          if (whole === undefined || whole.n <= meta.n) continue;
          if (whole.n !== meta.n + 1) return { discarded: `delta ${meta.n + 1} is missing, ${whole.n} follows` };
          if (whole.before !== meta.digest)
            return { discarded: `delta ${whole.n} follows the digest ${whole.before}, ours is ${meta.digest}` };
          meta = whole.meta;
          await base.store.write([...decodeRows(whole.rows), { key: metaRowKey, value: encodeMeta(meta) }]);
          // Others run meanwhile: a store that answers at once must not keep them from it.
          await options.clock.nextTurn();
          if (interrupted()) throw new Stopped();
        }
      }
    } finally {
      options.systemReader.unassign(delta);
    }
  }
  if (meta.digest !== record.digest)
    return { discarded: `at commit ${record.n} its digest is ${meta.digest}, the commit record's ${record.digest}` };
  const elsewhere = Object.keys(record.position).find((topic) => meta.position[topic] !== record.position[topic]);
  if (elsewhere !== undefined)
    return {
      discarded: `at commit ${record.n} it stands at ${elsewhere}@${meta.position[elsewhere]}, the commit record at ${record.position[elsewhere]}`,
    };
  const applied = meta.n - first;
  return { store: base.store, meta, storeIsEmpty: false, how: applied === 0 ? base.how : `${base.how} + ${applied} deltas` };
}
