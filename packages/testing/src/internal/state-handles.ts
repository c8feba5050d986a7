import { type CompiledProcessor, committedEntries, type Task } from "@reprise/engine";

/** What `stateOf(key)` gives: the committed state under the names of the declaration, to read. */
export function stateHandles(processor: CompiledProcessor, task: Task, key: Buffer): { readonly [name: string]: unknown } {
  const handles: { [name: string]: unknown } = {};
  for (const slot of processor.slots) {
    if (slot.kind === "value") handles[slot.name] = { get: () => task.state.committedSingle(slot.slot, key) ?? slot.initial };
    if (slot.kind === "map") {
      const get = (entry: unknown): unknown => task.state.committedEntry(slot.slot, key, slot.entryKey.encode(entry));
      handles[slot.name] = {
        get,
        has: (entry: unknown) => get(entry) !== undefined,
        entries: (range = {}) => committedEntries(task, slot, key, range),
      };
    }
  }
  return handles;
}
