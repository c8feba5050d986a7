/** What has rows in the state of a task. */
export type SlotGroup = "state" | "table" | "timer" | "window";

export interface NamedSlot {
  readonly name: string;
  readonly group: SlotGroup;
}

/**
 * The slots of a declaration in their order: by name, then group. What is due at the same time fires in it, and rows are stored under their number, so
 * that it must never change.
 */
export function slotOrder(d: { readonly [part in "state" | "tables" | "timers" | "windows"]: readonly string[] }): NamedSlot[] {
  const slots = [
    ...d.state.map((name) => ({ name, group: "state" as const })),
    ...d.tables.map((name) => ({ name, group: "table" as const })),
    ...d.timers.map((name) => ({ name, group: "timer" as const })),
    ...d.windows.map((name) => ({ name, group: "window" as const })),
  ];
  return slots.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.group < b.group ? -1 : 1));
}

/** The slots of windows' items, by window: behind all that is declared, in the same order. */
export function itemSlotsOf(slots: readonly NamedSlot[], hasItems: (window: string) => boolean): ReadonlyMap<string, number> {
  const windows = slots.filter(({ name, group }) => group === "window" && hasItems(name));
  return new Map(windows.map(({ name }, i) => [name, slots.length + i]));
}
