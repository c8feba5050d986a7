import {
  type CompiledProcessor,
  committedEntries,
  committedEntry,
  committedItems,
  committedValue,
  committedWindow,
  committedWindows,
  type Task,
} from "@reprise/engine";

/** What `stateOf(key)` gives: the committed state under the names of the declaration, to read. */
export function stateHandles(processor: CompiledProcessor, task: Task, key: Buffer): { readonly [name: string]: unknown } {
  const handles: { [name: string]: unknown } = {};
  for (const slot of processor.slots) {
    if (slot.kind === "value") handles[slot.name] = { get: () => committedValue(task, slot, key) ?? slot.initial };
    if (slot.kind === "list") {
      const items = (): Iterable<unknown> => committedItems(task, slot, key);
      handles[slot.name] = {
        [Symbol.iterator]: () => items()[Symbol.iterator](),
        get length() {
          return [...items()].length;
        },
      };
    }
    if (slot.kind === "map") {
      const get = (entry: unknown): unknown => committedEntry(task, slot, key, entry);
      handles[slot.name] = {
        get,
        has: (entry: unknown) => get(entry) !== undefined,
        entries: (range = {}) => committedEntries(task, slot, key, range),
      };
    }
  }
  return handles;
}

/** What `windowsOf(key)` gives: the committed windows under the names of the declaration, to read. */
export function windowHandles(processor: CompiledProcessor, task: Task, key: Buffer): { readonly [name: string]: unknown } {
  const handles: { [name: string]: unknown } = {};
  for (const slot of processor.slots) {
    // A join has pairs, and nothing to read.
    if (slot.kind !== "window" || slot.definition.type === "join") continue;
    handles[slot.name] = {
      current: (atMs?: number) => committedWindow(task, slot, key, atMs)?.result,
      between: (from: number, to: number) =>
        Array.from(committedWindows(task, slot, key, from, to), ({ start, end, result }) => ({ start, end, value: result })),
    };
  }
  return handles;
}
