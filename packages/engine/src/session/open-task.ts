import { RepriseError } from "@reprise/schema";
import { type CommitRecord, decodeCommitRecord } from "../commit/commit-record.ts";
import { publishesFromItsStart } from "../control/control-state.ts";
import { deltaTopicOf, groupOf } from "../control/names.ts";
import { failpoint } from "../internal/failpoint.ts";
import { type Interrupted, notInterrupted } from "../internal/stopped.ts";
import type { CheckpointManifest } from "../ports/checkpoint-store.ts";
import type { StateStore } from "../ports/state-store.ts";
import type { CommittedOffset } from "../ports/transactional-writer.ts";
import { decodeRows } from "../state/row-buffer.ts";
import { metaRowKey } from "../state/row-key.ts";
import { scanDigest } from "../state/scan-digest.ts";
import { decodeMeta, encodeMeta, newTaskMeta, type TaskMeta } from "../task/task-meta.ts";
import { deltaChain } from "./delta-chain.ts";
import { earliestPositions } from "./earliest-positions.ts";
import { type OpeningCase, openingCaseOf } from "./opening-cases.ts";
import { openMigrated } from "./open-migrated.ts";
import { requireInputs } from "./require-inputs.ts";
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

/** A store that may be the base. */
interface Base {
  readonly meta: TaskMeta;
  readonly store: StateStore;
  readonly storeIsEmpty: boolean;
  readonly how: string;
}

type Opened = Omit<OpenedStore, "recorded">;

/** One opening of one task. */
interface Opening {
  readonly options: SessionOptions;
  readonly partition: number;
  readonly interrupted: Interrupted;
  /** Why bases were of no use, for the error when none is left. */
  readonly reasons: string[];
}

/**
 * Opens the store of a task that this session owns (design section 5, steps 4 to 7; the caller did 1 to 3): reads the commit record, then finds the
 * base from which the decided state can be derived. What is tried in which case stands in `openingCases`. A local store that is not used is destroyed,
 * never repaired.
 * @throws RepriseError CONTROL_LOST · CHECKPOINT_MISSING · DELTAS_LOST · INPUT_TRUNCATED · STATE_LOCKED · TOPIC_MISSING · TOPIC_RECREATED, and what
 * may pass (see `faultOf`); `Stopped` when `interrupted` says so
 */
export async function openTaskStore(
  options: SessionOptions,
  partition: number,
  interrupted: Interrupted = notInterrupted,
): Promise<OpenedStore> {
  const { spec } = options;
  const lead = spec.inputs[0] as { topic: string };
  for (let before: CommittedOffset | undefined, refused: RepriseError | undefined; ; ) {
    // 4. The commit record, require-stable: no transaction of a former owner is pending any more.
    const [committed] = await options.groupOffsets.committed(groupOf(spec.id), [{ topic: lead.topic, partition }]);
    if (refused !== undefined && committed?.metadata === before?.metadata) throw refused;
    try {
      return await openDecided({ options, partition, interrupted, reasons: [] }, committed);
    } catch (error) {
      // A process that was frozen since step 4 finds what others have written, and removed, meanwhile: only what still stands can be lost.
      if (!RepriseError.is(error) || error.code !== "DELTAS_LOST") throw error;
      [before, refused] = [committed, error];
    }
  }
}

/** From step 5 on, by the commit record as it was read. */
async function openDecided(opening: Opening, committed: CommittedOffset | undefined): Promise<OpenedStore> {
  const { options, partition } = opening;
  const record = committed === undefined ? undefined : await checkedRecord(opening, committed);
  const live = record?.mode === "live" ? record : undefined;
  // After the commit record was read: the deltas of every decided commit lie below this.
  const end = live === undefined ? 0 : await options.offsets.highWatermark({ topic: deltaTopicOf(options.spec.id), partition });
  const local = await openLocal(options, partition);
  let handedOn = false;
  try {
    const manifests = await options.checkpoints.list({ deployment: options.spec.id, partition });
    const known = decidedBefore(local?.meta, manifests);
    const found = openingCaseOf({
      record: record?.mode ?? "none",
      decidedBefore: known > 0,
      fromStart: publishesFromStart(options),
      migrates: options.spec.start !== "earliest",
    });
    // 5. What can be the base, best first.
    handedOn = true;
    for await (const base of basesOf(opening, found, { local, manifests, record: live })) {
      const opened = await conclude(opening, base, live, end).catch(async (error: unknown) => {
        // The next try opens the store again: left open, it would be locked.
        await base.store.close().catch(() => undefined);
        throw error;
      });
      if (!("discarded" in opened)) return { ...opened, recorded: record !== undefined };
      // 7. This one does not lead there: the next.
      opening.reasons.push(`${base.how}: ${opened.discarded}`);
      // A damaged one may fail with it; it is destroyed next, or by whoever opens it.
      await base.store.close().catch(() => undefined);
    }
    throw refusal(opening, found, record, known);
  } catch (error) {
    if (!handedOn) await local?.store.close().catch(() => undefined);
    throw error;
  }
}

async function checkedRecord({ options, partition, interrupted }: Opening, committed: CommittedOffset): Promise<CommitRecord> {
  const { spec, control } = options;
  const record = decodeCommitRecord(committed.metadata);
  if (record === undefined) {
    throw new RepriseError(
      "DECLARATION_CONFLICT",
      `the group ${groupOf(spec.id)} has an offset for ${committed.topic}-${partition} that Reprise did not commit`,
    );
  }
  failpoint("commit-record-read");
  // Another worker may have read further before it committed: only the end of the log tells.
  if (record.control > control.position) await control.readToEnd(interrupted);
  if (record.control > control.position) {
    throw new RepriseError(
      "CONTROL_LOST",
      `a commit of task ${partition} of ${spec.id} knew the control topic up to offset ${record.control}, and it ends at ${control.position}: it is another one, or cut short`,
      { details: { deployment: spec.id, partition, known: record.control, end: control.position } },
    );
  }
  return record;
}

/** Whether the deployment published from its start: its state at n = 0 is the empty one. */
export function publishesFromStart(options: SessionOptions): boolean {
  return publishesFromItsStart(options.control.state, options.spec);
}

/**
 * The newest commit that was decided, as far as a local store and checkpoints know: without a commit record of it, going on from anywhere would publish
 * again. A base, n = 0, says nothing: it is written before it is decided.
 */
function decidedBefore(local: TaskMeta | undefined, manifests: readonly CheckpointManifest[]): number {
  return Math.max(local?.mode === "live" ? local.n : 0, manifests[0]?.n ?? 0);
}

interface KnownBases {
  readonly local: { readonly store: StateStore; readonly meta: TaskMeta } | undefined;
  readonly manifests: readonly CheckpointManifest[];
  /** Of a live task. */
  readonly record: CommitRecord | undefined;
}

/** Each is open when it comes, and the former one must be closed by then. */
async function* basesOf(opening: Opening, { bases, mode }: OpeningCase, known: KnownBases): AsyncGenerator<Base> {
  const { options, partition, interrupted, reasons } = opening;
  const { local, manifests, record } = known;
  if (local !== undefined && !bases.includes("local")) await local.store.close();
  for (const kind of bases) {
    if (kind === "local" && local !== undefined) {
      if (record === undefined || (local.meta.mode === "live" && local.meta.n <= record.n))
        yield { ...local, storeIsEmpty: false, how: "local store" };
      else {
        reasons.push(`local store: ${local.meta.mode} at commit ${local.meta.n}`);
        await local.store.close();
      }
    } else if (kind === "checkpoints") {
      for (const manifest of manifests) {
        const how = `checkpoint ${manifest.n}`;
        if (record !== undefined && manifest.n > record.n) {
          reasons.push(`${how}: newer than the commit record`);
          continue;
        }
        const restored = await restoreCheckpoint(options, partition, manifest, interrupted);
        if ("discarded" in restored) reasons.push(`${how}: ${restored.discarded}`);
        else yield { ...restored, storeIsEmpty: false, how };
      }
    } else if (kind === "older" && options.spec.start !== "earliest") {
      yield { ...(await openMigrated(options, partition, options.spec.start.checkpointOf, interrupted)), storeIsEmpty: false };
    } else if (kind === "empty") {
      const empty = await fresh(options, partition, mode);
      // Where it began is what was decided, not where the log begins now: what was deleted meanwhile must not be jumped over.
      yield record?.n === 0 ? { ...empty, meta: { ...empty.meta, position: { ...empty.meta.position, ...record.position } } } : empty;
    }
  }
}

/** Brings a base to where its task has to be. */
async function conclude(opening: Opening, base: Base, record: CommitRecord | undefined, end: number): Promise<Opened | Discarded> {
  const opened =
    record === undefined
      ? // What a building task, or one that nothing was decided of, has is no decision: it goes on from wherever that is.
        { ...base, meta: base.storeIsEmpty ? base.meta : { ...base.meta, mode: "building" as const, n: 0 } }
      : await followDeltas(opening, base, record, end);
  if (!("discarded" in opened)) await requireInputs(opening.options, opened.meta, record);
  return opened;
}

function refusal(
  { options, partition, reasons }: Opening,
  found: OpeningCase,
  record: CommitRecord | undefined,
  known: number,
): RepriseError {
  const { spec } = options;
  const why = reasons.join("; ") || "there is none";
  if (found.bases.length === 0) {
    return new RepriseError(
      "DELTAS_LOST",
      `task ${partition} of ${spec.id} has a state of commit ${known}, and Kafka no commit record of it: committed offsets are gone`,
      { details: { deployment: spec.id, partition, n: known } },
    );
  }
  const n = record?.n ?? 0;
  return new RepriseError(found.otherwise, `task ${partition} of ${spec.id}: no base leads to commit ${n} (${why})`, {
    details: { deployment: spec.id, partition, n },
  });
}

async function fresh(options: SessionOptions, partition: number, mode: "building" | "live"): Promise<Base> {
  const folder = folderOf(options, partition);
  await options.stateEngine.destroy(folder);
  const position = await earliestPositions(options.spec, options.offsets, partition);
  const meta = newTaskMeta(options.spec.id, partition, mode, position);
  return { store: await options.stateEngine.open(folder), meta, storeIsEmpty: true, how: "empty state" };
}

/** The local store when it is this deployment's, says where it stands, and can be believed; anything else is destroyed. */
async function openLocal(options: SessionOptions, partition: number): Promise<{ store: StateStore; meta: TaskMeta } | undefined> {
  const folder = folderOf(options, partition);
  let store: StateStore | undefined;
  try {
    store = await options.stateEngine.open(folder);
    const bytes = store.get(metaRowKey);
    const meta = bytes === undefined ? undefined : decodeMeta(bytes);
    if (meta !== undefined && meta.deployment === options.spec.id && meta.partition === partition) {
      if (!options.stateEngine.provenByScan) return { store, meta };
      const { digest } = await scanDigest(store.scan({}), partition);
      if (digest === meta.digest) return { store, meta };
      const message = `its rows have the digest ${digest}, it says ${meta.digest}`;
      options.observer.storeDropped(partition, { reason: "digest", message });
    }
  } catch (error) {
    if (!RepriseError.is(error) || (error.code !== "STATE_CORRUPT" && error.code !== "STATE_OTHER_ENGINE")) {
      await store?.close().catch(() => undefined);
      throw error;
    }
    options.observer.storeDropped(partition, { reason: error.code, message: error.message });
  }
  await store?.close().catch(() => undefined);
  await options.stateEngine.destroy(folder);
  failpoint("store-discarded");
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
async function applyDeltas({ options, interrupted }: Opening, base: Base, record: CommitRecord, end: number): Promise<Opened | Discarded> {
  let { meta } = base;
  const first = meta.n;
  for await (const delta of deltaChain(options, meta, record.n, end, interrupted)) {
    meta = delta.meta;
    await base.store.write([...decodeRows(delta.rows), { key: metaRowKey, value: encodeMeta(meta) }]);
    failpoint("delta-applied");
  }
  if (meta.digest !== record.digest)
    return { discarded: `at commit ${record.n} its digest is ${meta.digest}, the commit record's ${record.digest}` };
  const elsewhere = Object.keys(record.position).find((topic) => meta.position[topic] !== record.position[topic]);
  if (elsewhere !== undefined)
    return {
      discarded: `at commit ${record.n} it stands at ${elsewhere}@${meta.position[elsewhere]}, the commit record at ${record.position[elsewhere]}`,
    };
  const applied = meta.n - first;
  failpoint("deltas-applied");
  return { store: base.store, meta, storeIsEmpty: false, how: applied === 0 ? base.how : `${base.how} + ${applied} deltas` };
}
