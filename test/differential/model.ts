import { type DuckDBConnection, DuckDBInstance } from "@duckdb/node-api";
import { type AggregateCase, type Case, foldsInOrder, type InRecord, nameOf, valuesOf, type WindowCase } from "./case.ts";
import { answerRows, answers, joinRows, lateRows, macros, schedule, sessionInput, throttleInput } from "./model-sql.ts";
import type { ResultRow, WindowResult } from "./result-row.ts";
import { runSessions, type SessionAnswer, type SessionStep } from "./session-model.ts";
import { type Throttled, throttled } from "./throttle-model.ts";

/** A value that may be any between two, with what the guide allows beside: see `compare`. */
export interface Between {
  readonly lo: number;
  readonly hi: number;
}
/** A count that a sketch estimates. */
export interface About {
  readonly about: number;
}

/** What a case has to give, in order, and how many contributions were late. */
export interface Expected {
  readonly rows: readonly ExpectedRow[];
  readonly late: number;
}
/** `step`: rows of the same record, at the same point of its processing. */
export interface ExpectedRow extends ResultRow {
  readonly step: string;
}

interface AnswerRow {
  readonly [column: string]: unknown;
  readonly what: "window" | "read";
  readonly cs: number;
  readonly win: number;
  readonly key: string;
  readonly instance: number;
  readonly start: number | null;
  readonly stop: number | null;
  readonly final: boolean;
  readonly revision: number;
  readonly cause: number;
  readonly phase: number;
  readonly due: number;
  readonly input: number;
  readonly off: number;
  readonly st: number;
  readonly n: number;
}

/** A pair of a join, or what was left of it. */
interface JoinRow {
  readonly cs: number;
  readonly win: number;
  readonly key: string;
  readonly start: number;
  readonly stop: number;
  readonly moment: number;
  readonly cause: number;
  readonly phase: number;
  readonly due: number;
  readonly l: string | null;
  readonly r: string | null;
  readonly added: number;
  readonly other_ts: number;
  readonly other_seq: number;
  readonly other_c: number;
  readonly input: number;
  readonly off: number;
  readonly st: number;
}

interface LateRow {
  readonly cs: number;
  readonly win: number;
  readonly key: string;
  readonly start: number;
  readonly stop: number;
  readonly input: number;
  readonly off: number;
  readonly from_input: number;
  readonly from_off: number;
  readonly c: number;
  readonly cause: number;
  readonly st: number;
}

/** DuckDB with the guide's semantics, many cases at a time. */
export class Model {
  private readonly connection: DuckDBConnection;
  private readonly instance: DuckDBInstance;

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.instance = instance;
    this.connection = connection;
  }

  static async open(): Promise<Model> {
    const instance = await DuckDBInstance.create(":memory:", { threads: "1" });
    const connection = await instance.connect();
    await connection.run(`set TimeZone = 'UTC'; ${macros}`);
    return new Model(instance, connection);
  }

  close(): void {
    this.connection.closeSync();
    this.instance.closeSync();
  }

  /** What each of the cases has to give, by its place in the list. */
  async expect(cases: readonly Case[]): Promise<Expected[]> {
    await this.load(cases);
    await this.connection.run(schedule);
    const steps = await this.steps();
    await this.loadThrottled(cases, steps);
    const lateSessions = await this.loadSessions(cases, steps);
    await this.connection.run(answers);
    const rows = await this.rows<AnswerRow>(answerRows);
    const late = [...(await this.rows<LateRow>(lateRows)), ...lateSessions];
    const joined = await this.rows<JoinRow>(joinRows);
    return cases.map((one, cs) => assemble(one, rowsOf(rows, cs), rowsOf(joined, cs), rowsOf(late, cs)));
  }

  private async load(cases: readonly Case[]): Promise<void> {
    const specs = cases.flatMap((one, cs) =>
      one.windows.map((w, win) => ({
        cs,
        win,
        name: w.name,
        kind: w.kind,
        size: w.sizeMs,
        step: w.stepMs,
        per: w.per,
        zone: w.zone,
        grace: w.graceMs,
        keep: w.keepMs,
        emit: w.emit,
        throttle: w.throttleMs,
        unmatched: w.unmatched,
        topn: Math.max(0, ...w.aggregates.map((a) => (a.type === "top" ? a.n : 0))),
      })),
    );
    const recs: object[] = [];
    const contributions: object[] = [];
    const lookups: object[] = [];
    cases.forEach((one, cs) => {
      const offsets = one.disorderMs.map(() => 0);
      for (const { input, key, timeMs, values, junk, readAtMs } of one.records) {
        const off = offsets[input] as number;
        offsets[input] = off + 1;
        // What does not decode has a time when Kafka says it.
        if (junk && one.timeInValue) continue;
        recs.push({ cs, input, off, t: timeMs });
        if (junk) continue;
        lookups.push({ cs, input, off, key, ts: readAtMs });
        values.forEach(({ atMs, x, item, side }, c) => contributions.push({ cs, input, off, c, key, ts: atMs, x, item, side }));
      }
    });
    await this.table(
      "program",
      "cs INT, d BIGINT, ordering VARCHAR",
      cases.map((one, cs) => ({ cs, d: Math.max(...one.disorderMs), ordering: one.order })),
    );
    await this.table(
      "spec",
      "cs INT, win INT, name VARCHAR, kind VARCHAR, size BIGINT, step BIGINT, per VARCHAR, zone VARCHAR, grace BIGINT, keep BIGINT, emit VARCHAR, throttle BIGINT, unmatched VARCHAR, topn INT",
      specs,
    );
    await this.table("rec", "cs INT, input INT, off INT, t BIGINT", recs);
    await this.table(
      "contribution",
      "cs INT, input INT, off INT, c INT, key VARCHAR, ts BIGINT, x DOUBLE, item VARCHAR, side VARCHAR",
      contributions,
    );
    await this.table("lookup", "cs INT, input INT, off INT, key VARCHAR, ts BIGINT", lookups);
  }

  /** Watermarks by record, per case. */
  private async steps(): Promise<FlowRow[]> {
    return await this.rows<FlowRow>(
      `select cs::double as cs, seq::double as seq, w::double as w, st::double as st, input::double as from_input, off::double as from_off,
         cause_input::double as input, cause_off::double as off, key, ts::double as read_at
       from flow left join lookup using (cs, input, off) order by cs, seq`,
    );
  }

  private async loadThrottled(cases: readonly Case[], steps: readonly FlowRow[]): Promise<void> {
    const groups = new Map<string, Throttled[]>();
    for (const row of await this.rows<Throttled>(throttleInput)) {
      const id = JSON.stringify([row.cs, row.win, row.key, row.start]);
      const group = groups.get(id);
      if (group === undefined) groups.set(id, [row]);
      else group.push(row);
    }
    const out: Throttled[] = [];
    for (const group of groups.values()) {
      const { cs, win } = group[0] as Throttled;
      const flow = rowsOf(steps, cs);
      const watermarks = flow.map(({ w, seq }) => [w, seq] as const);
      out.push(
        ...throttled(
          group,
          watermarks,
          (seq) => (flow[seq - 1] as FlowRow).w,
          cases[cs]?.order === "event-time",
          cases[cs]?.windows[win]?.emit === "end",
        ),
      );
    }
    await this.table(
      "throttled",
      'cs INT, win INT, throttle BIGINT, key VARCHAR, start BIGINT, stop BIGINT, "grace" BIGINT, cause INT, phase INT, due BIGINT, upto INT',
      out,
    );
  }

  /** Returns the late ones. */
  private async loadSessions(cases: readonly Case[], steps: readonly FlowRow[]): Promise<LateRow[]> {
    const inputs = await this.rows<{ cs: number; win: number; key: string; seq: number; c: number; ts: number }>(
      sessionInput.replace(
        "select cs, win, key, seq, c,",
        "select cs::double as cs, win::double as win, key, seq::double as seq, c::double as c,",
      ),
    );
    const emissions: object[] = [];
    const members: object[] = [];
    const lates: LateRow[] = [];
    let eid = 1_000_000_000;
    cases.forEach((one, cs) => {
      const flow = rowsOf(steps, cs);
      const mine = rowsOf(inputs, cs);
      one.windows.forEach((w, win) => {
        if (w.kind !== "session") return;
        const { answers: found, late } = runSessions(
          { gapMs: w.sizeMs, graceMs: w.graceMs, emit: w.emit, throttleMs: w.throttleMs ?? 0, inTimeOrder: one.order === "event-time" },
          flow.map(({ seq, w: watermarkMs, key, read_at }): SessionStep => ({ seq, watermarkMs, key, readAtMs: read_at })),
          mine.filter((row) => row.win === win).map(({ key, seq, c, ts }) => ({ key, seq, c, atMs: ts })),
        );
        for (const answer of found) {
          emissions.push({ eid, cs, win, ...columnsOf(answer) });
          for (const { seq, c } of answer.members) members.push({ eid, seq, c });
          eid++;
        }
        for (const { key, seq, c, atMs } of late) {
          lates.push({ ...(flow[seq - 1] as FlowRow), cs, win, key, start: atMs, stop: atMs + w.sizeMs, c, cause: seq });
        }
      });
    });
    await this.table(
      "own_emission",
      "eid BIGINT, what VARCHAR, cs INT, win INT, key VARCHAR, instance BIGINT, start BIGINT, stop BIGINT, final BOOLEAN, revision INT, cause INT, phase INT, due BIGINT",
      emissions,
    );
    await this.table("own_member", "eid BIGINT, seq INT, c INT", members);
    return lates;
  }

  /** Makes a table of these rows; `columns` as in `create table`, and as the rows name them. */
  private async table(name: string, columns: string, rows: readonly object[]): Promise<void> {
    const shape = Object.fromEntries(columns.split(", ").map((column) => column.replaceAll('"', "").split(" ") as [string, string]));
    await this.connection.run(
      `create or replace temp table ${name} as select one.* from (select unnest(from_json($1, '${JSON.stringify([shape])}')) as one)`,
      [JSON.stringify(rows)],
    );
  }

  private async rows<T>(sql: string): Promise<T[]> {
    return (await this.connection.runAndReadAll(sql)).getRowObjectsJS() as T[];
  }
}

interface FlowRow {
  readonly cs: number;
  readonly seq: number;
  readonly w: number;
  readonly st: number;
  readonly input: number;
  readonly off: number;
  readonly from_input: number;
  readonly from_off: number;
  /** null: a turn without a record. */
  readonly key: string | null;
  readonly read_at: number;
}

const columnsOf = ({ what, key, instance, start, stop, final, revision, cause, phase, due }: SessionAnswer): object => ({
  what,
  key,
  instance,
  start,
  stop,
  final,
  revision,
  cause,
  phase,
  due: Number.isFinite(due) ? due : -Number.MAX_SAFE_INTEGER,
});

/** The rows of one case, of rows that are looked up for each case in turn. */
function rowsOf<T extends { readonly cs: number }>(rows: readonly T[], cs: number): readonly T[] {
  let index = grouped.get(rows) as Map<number, T[]> | undefined;
  if (index === undefined) {
    index = new Map();
    for (const row of rows) {
      const group = index.get(row.cs);
      if (group === undefined) index.set(row.cs, [row]);
      else group.push(row);
    }
    grouped.set(rows, index);
  }
  return index.get(cs) ?? [];
}
const grouped = new WeakMap<object, unknown>();

/** Puts the answers and the late ones in the order in which a task gives them. */
function assemble(one: Case, all: readonly AnswerRow[], joined: readonly JoinRow[], late: readonly LateRow[]): Expected {
  const sorted: { readonly order: readonly (number | string)[]; readonly row: ExpectedRow }[] = [];
  const emitted = new Map<string, WindowResult>();
  const inOrder = [...all].sort((a, b) => a.cause - b.cause || a.phase - b.phase);
  for (const row of inOrder) {
    const w = one.windows[row.win] as WindowCase;
    const nothing = row.what === "read" && row.n === 0;
    const result = nothing ? null : resultOf(w, row);
    const id = JSON.stringify([row.win, row.key, row.instance]);
    const previous = row.what === "read" || row.revision === 1 ? null : (emitted.get(`${id}/${row.revision - 1}`) ?? null);
    if (row.what === "window" && result !== null) emitted.set(`${id}/${row.revision}`, result);
    sorted.push({
      order:
        row.what === "read" ? [row.cause, 1, 1, row.win] : [row.cause, row.phase, row.due, w.name, keyOrder(row.key), row.start as number],
      row: {
        what: row.what,
        input: row.input,
        offset: row.off,
        streamTimeMs: row.st,
        window: w.name,
        key: row.key,
        start: row.what === "read" ? null : row.start,
        end: row.what === "read" ? null : row.stop,
        revision: row.revision,
        final: row.final,
        result,
        previous,
        step: `${row.cause}/${row.phase}`,
      },
    });
  }
  for (const row of joined) {
    const { name } = one.windows[row.win] as WindowCase;
    sorted.push({
      order: [row.cause, row.phase, row.due, name, keyOrder(row.key), row.added, row.other_ts, row.other_seq, row.other_c],
      row: {
        what: "window",
        input: row.input,
        offset: row.off,
        streamTimeMs: row.st,
        window: name,
        key: row.key,
        start: row.start,
        end: row.stop,
        revision: 1,
        final: true,
        result: { left: row.l, right: row.r, at: row.moment },
        previous: null,
        step: `${row.cause}/${row.phase}`,
      },
    });
  }
  const contributions = byContribution(late);
  for (const row of late) {
    const w = one.windows[row.win] as WindowCase;
    if (w.late === "drop") continue;
    // One dead letter says of how many windows it was too late.
    const all = contributions.get(contributionOf(row)) as LateRow[];
    if (w.late === "dead-letter" && row !== all[0]) continue;
    sorted.push({
      order: [row.cause, 1, 0, row.c, row.win, row.start],
      row: {
        what: w.late === "handle" ? "late" : "dead-letter",
        input: row.input,
        offset: row.off,
        streamTimeMs: row.st,
        window: w.name,
        key: row.key,
        start: row.start,
        end: w.late === "handle" ? row.stop : Math.max(...all.map(({ stop }) => stop)),
        revision: 0,
        final: false,
        result: w.late === "handle" ? valuesOf(w, recordAt(one, row).values[row.c] as InRecord["values"][number]) : null,
        previous: null,
        step: `${row.cause}/1`,
      },
    });
  }
  sorted.sort((a, b) => inTurn(a.order, b.order));
  return { rows: sorted.map(({ row }) => row), late: contributions.size };
}

const contributionOf = ({ win, from_input, from_off, c }: LateRow): string => `${win} ${from_input} ${from_off} ${c}`;

/** By window and contribution, those that it is late for by start. */
function byContribution(late: readonly LateRow[]): Map<string, LateRow[]> {
  const out = new Map<string, LateRow[]>();
  for (const row of [...late].sort((a, b) => a.start - b.start)) {
    const rows = out.get(contributionOf(row));
    if (rows === undefined) out.set(contributionOf(row), [row]);
    else rows.push(row);
  }
  return out;
}

const recordAt = (one: Case, { from_input, from_off }: LateRow): InRecord =>
  one.records.filter((record) => record.input === from_input)[from_off] as InRecord;

/** Keys come in the order of their bytes. */
const keyOrder = (key: string): string => Buffer.from(key, "utf8").toString("hex");

function inTurn(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i] as number | string, b[i] as number | string];
    if (x !== y) return x < y ? -1 : 1;
  }
  return 0;
}

function resultOf(w: WindowCase, row: AnswerRow): WindowResult {
  return { count: row.n, ...Object.fromEntries(w.aggregates.map((a) => [nameOf(a), valueOf(w, a, row)])) };
}

function valueOf(w: WindowCase, a: AggregateCase, row: AnswerRow): unknown {
  switch (a.type) {
    case "statistics":
      return Object.fromEntries(a.words.map((word) => [word, statisticOf(word, row)]));
    case "word":
      return statisticOf(a.word, row);
    case "first":
    case "last":
      return row[a.type];
    case "distinct":
      return row["different"];
    case "approximate":
      return { about: row["different"] } as About;
    case "top":
      return JSON.parse(row["top"] as string) as unknown;
    case "fold":
      return foldsInOrder(w) ? row["joined"] : { n: row["items"], total: row["item_sum"] };
    default:
      return a satisfies never;
  }
}

function statisticOf(word: string, row: AnswerRow): unknown {
  if (!word.startsWith("p")) return row[word] ?? "NaN";
  const digits = { p50: "5", p95: "95", "p99.9": "999" }[word] as string;
  const lo = row[`lo${digits}`] as number | null;
  return lo === null ? "NaN" : ({ lo, hi: row[`hi${digits}`] as number } as Between);
}
