/** A row of a task's state, as people see it. */
export interface StateRow {
  readonly task: number;
  readonly state: string;
  readonly kind: string;
  readonly key: unknown;
  readonly entry?: unknown;
  readonly value: unknown;
}

/** The state of one task, and where that stands. */
export interface TaskState {
  readonly task: number;
  /** For people: `live`, `checkpoint 12 + 3 deltas`. */
  readonly how: string;
  readonly n: number;
  readonly position: { readonly [topic: string]: number };
  /** In the order of the store; to be read once. */
  readonly rows: AsyncIterable<StateRow>;
  /** After the rows were read, or are not wanted any more. */
  close(): Promise<void>;
}

/** Names a row among those of all tasks, and is the same for the same row in another state. */
export const rowName = ({ task, state, kind, key, entry }: StateRow): string => JSON.stringify([task, state, kind, key, entry ?? null]);
