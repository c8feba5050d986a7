/** What one record adds to the join. */
export interface Add {
  readonly side: "left" | "right";
  readonly id: number;
  readonly at: number;
}

export interface JoinRecord {
  readonly input: number;
  readonly key: string;
  readonly at: number;
  readonly adds: readonly Add[];
}

export interface JoinShape {
  readonly withinMs: number;
  readonly graceMs: number;
  readonly unmatched: "none" | "left" | "right" | "both";
  readonly order: "log" | "event-time";
  /** By input. */
  readonly disorderMs: readonly number[];
}

/** What the task does at a time: `w` is its watermark, `record` what it handles then. */
interface Turn {
  readonly w: number;
  readonly record: JoinRecord | undefined;
}

interface Contribution extends Add {
  readonly key: string;
  readonly turn: number;
  readonly w: number;
  /** Its place among all, by arrival. */
  readonly n: number;
}

export interface JoinAnswer {
  readonly said: readonly string[];
  /** Times of the late ones, in order. */
  readonly late: readonly number[];
}

/** The guide's joins over all records at once: nothing is kept, each pair is looked for among all pairs. */
export function expectedOf(shape: JoinShape, records: readonly JoinRecord[]): JoinAnswer {
  const { withinMs, graceMs, unmatched } = shape;
  const turns = turnsOf(shape, records);
  const all: Contribution[] = [];
  turns.forEach(({ w, record }, turn) => {
    for (const add of record?.adds ?? []) all.push({ ...add, key: (record as JoinRecord).key, turn, w, n: all.length });
  });
  const over = ({ at }: Contribution): number => at + withinMs + 1 + graceMs;
  const taken = all.filter((c) => c.w < over(c));
  const pairs = taken.flatMap((later) =>
    taken
      .filter(
        (c) => c.n < later.n && c.key === later.key && c.side !== later.side && Math.abs(c.at - later.at) <= withinMs && later.w < over(c),
      )
      .map((earlier) => ({ earlier, later })),
  );
  const matched = new Set(pairs.flatMap(({ earlier, later }) => [earlier.n, later.n]));
  const said: { readonly order: readonly (number | string)[]; readonly text: string }[] = [];
  turns.forEach(({ record }, turn) => {
    if (record !== undefined) said.push({ order: [turn, 1, 0, 0, 0], text: `${record.key} handled ${record.at}` });
  });
  for (const { earlier, later } of pairs) {
    const [left, right] = later.side === "left" ? [later, earlier] : [earlier, later];
    const [first, last] = [Math.min(left.at, right.at), Math.max(left.at, right.at)];
    said.push({
      order: [later.turn, 2, later.n, earlier.at, earlier.n],
      text: `${later.key} left ${left.id} right ${right.id} [${first}, ${last + 1}) at ${last}`,
    });
  }
  for (const c of taken) {
    const turn = turns.findIndex(({ w }) => w >= over(c));
    if (turn < 0 || matched.has(c.n) || (unmatched !== c.side && unmatched !== "both")) continue;
    said.push({
      order: [turn, 0, over(c), c.key, c.at, c.n],
      text: `${c.key} left ${c.side === "left" ? c.id : "none"} right ${c.side === "right" ? c.id : "none"} [${c.at}, ${c.at + 1}) at ${c.at + withinMs}`,
    });
  }
  return {
    said: said.sort((a, b) => compare(a.order, b.order)).map(({ text }) => text),
    late: all.filter((c) => c.w >= over(c)).map(({ at }) => at),
  };
}

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (const [i, x] of a.entries()) {
    const y = b[i] as number | string;
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

/** The records in the order in which a task handles them, each with the watermark then; turns without a record move time only. */
function turnsOf({ order, disorderMs }: JoinShape, records: readonly JoinRecord[]): Turn[] {
  const d = Math.max(...disorderMs);
  const reached = disorderMs.map(() => Number.NEGATIVE_INFINITY);
  const merged = records
    .map((record, offset) => {
      const mergeMs = Math.max(reached[record.input] as number, record.at);
      reached[record.input] = mergeMs;
      return { record, offset, mergeMs };
    })
    .sort((a, b) => a.mergeMs - b.mergeMs || a.record.input - b.record.input || a.offset - b.offset);
  let streamTimeMs = Number.NEGATIVE_INFINITY;
  let watermarkMs = Number.NEGATIVE_INFINITY;
  const turns: Turn[] = [];
  let held: typeof merged = [];
  for (const one of merged) {
    streamTimeMs = Math.max(streamTimeMs, one.record.at);
    const targetMs = streamTimeMs - d;
    if (order === "log" || one.record.at < watermarkMs) turns.push({ w: order === "log" ? targetMs : watermarkMs, record: one.record });
    else held.push(one);
    if (order === "log") continue;
    const ready = held.filter(({ record }) => record.at <= targetMs);
    held = held.filter(({ record }) => record.at > targetMs);
    ready.sort((a, b) => a.record.at - b.record.at || a.record.input - b.record.input || a.offset - b.offset);
    for (const { record } of ready) turns.push({ w: record.at, record });
    turns.push({ w: targetMs, record: undefined });
    watermarkMs = targetMs;
  }
  return turns;
}
