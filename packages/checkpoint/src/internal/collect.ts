import type { TaskId } from "@reprise/engine";
import { manifestFolder, removedFolder, segmentFolder, segmentPath } from "./checkpoint-paths.ts";
import { decodeManifest, type StoredManifest } from "./manifest-file.ts";
import type { ObjectEntry, ObjectStore } from "./object-store.ts";

/** A restore or a checkpoint of some hundreds of millions of rows takes less; what one checkpoint interval changes is kept so much longer. */
export const defaultGraceMs = 15 * 60_000;

/** What was deleted. */
export interface Collected {
  readonly objects: number;
  readonly bytes: number;
}

/**
 * 1. What is kept: all that a checkpoint needs, and all that one needs which was removed less than the time of grace ago. 2. What goes: what those
 * that were removed longer ago need, and, when leftovers are looked for, what is older than the time of grace and nobody's. 3. The notes of what
 * was removed go last: a collection that dies in between is done again.
 * @param present manifests by path, read before this; one that is written later needs nothing but what is kept, or new
 */
export async function collect(
  objects: ObjectStore,
  task: TaskId,
  present: ReadonlyMap<string, StoredManifest>,
  options: { readonly leftovers: boolean; readonly graceMs: number; readonly nowMs: number },
): Promise<Collected> {
  const isOld = ({ modifiedMs }: ObjectEntry): boolean => options.nowMs - modifiedMs >= options.graceMs;
  const kept = new Set<string>();
  const keep = ({ runs }: StoredManifest): void => runs.flat().forEach(({ sha256 }) => kept.add(segmentPath(task, sha256)));
  for (const manifest of present.values()) keep(manifest);
  const gone = new Map<string, number>();
  const notes: ObjectEntry[] = [];
  for (const entry of await objects.list(removedFolder(task))) {
    const bytes = await objects.get(entry.path);
    const manifest = bytes === undefined ? undefined : decodeManifest(bytes);
    if (isOld(entry)) {
      notes.push(entry);
      for (const segment of manifest?.runs.flat() ?? []) gone.set(segmentPath(task, segment.sha256), segment.bytes);
    } else if (manifest !== undefined) keep(manifest);
  }
  if (options.leftovers) {
    for (const entry of await objects.list(segmentFolder(task))) if (isOld(entry)) gone.set(entry.path, entry.bytes);
    for (const entry of await objects.list(manifestFolder(task))) {
      // One that does not verify is no checkpoint; a younger one may be on its way.
      if (isOld(entry) && !present.has(entry.path)) gone.set(entry.path, entry.bytes);
    }
  }
  for (const path of kept) gone.delete(path);
  await objects.remove([...gone.keys()]);
  await objects.remove(notes.map(({ path }) => path));
  return { objects: gone.size, bytes: [...gone.values()].reduce((sum, bytes) => sum + bytes, 0) };
}
