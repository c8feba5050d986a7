import { rowName, type StateRow } from "./task-state.ts";

/** A row that two states have differently; a side that does not have it is absent. */
export interface DifferentRow {
  readonly row: StateRow;
  readonly left?: unknown;
  readonly right?: unknown;
}

/**
 * Compares two states row by row, whatever their orders are: versions may number their states differently.
 * @returns how many rows each side has
 */
export async function diffStates(
  left: AsyncIterable<StateRow>,
  right: AsyncIterable<StateRow>,
  differs: (row: DifferentRow) => Promise<void>,
): Promise<{ readonly left: number; readonly right: number }> {
  const known = new Map<string, StateRow>();
  for await (const row of left) known.set(rowName(row), row);
  const counts = { left: known.size, right: 0 };
  for await (const row of right) {
    counts.right += 1;
    const name = rowName(row);
    const other = known.get(name);
    known.delete(name);
    if (other === undefined) await differs({ row, right: row.value });
    else if (JSON.stringify(other.value) !== JSON.stringify(row.value)) await differs({ row, left: other.value, right: row.value });
  }
  for (const row of known.values()) await differs({ row, left: row.value });
  return counts;
}
