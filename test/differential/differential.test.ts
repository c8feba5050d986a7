import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Case, WindowCase } from "./case.ts";
import { differential, type Mismatch } from "./differential.ts";
import { generate } from "./generate.ts";
import { Model } from "./model.ts";
import type { ResultRow } from "./result-row.ts";
import { definitionFor, runDefinition, runSubject, type SubjectOutcome } from "./subject.ts";

let model: Model;
beforeAll(async () => {
  model = await Model.open();
});
afterAll(() => model.close());

test("300 generated cases give what SQL over the same records gives, whatever the batches, caches, commits and restarts", async () => {
  const mismatches: Mismatch[] = [];
  const result = await differential(model, { cases: 300, seed: 1, onMismatch: (one) => mismatches.push(one) });
  expect(mismatches).toEqual([]);
  expect(result).toMatchObject({ ok: true, cases: 300, mismatches: 0 });
  // Else the generator or the refusals would make of this a test of nothing.
  expect(result.compared["tumbling"]).toBeGreaterThan(5);
  for (const [what, rows] of Object.entries(result.rows)) expect(rows, what).toBeGreaterThan(10);
}, 120_000);

describe("the model agrees with itself where kinds of windows coincide:", () => {
  const cases = Array.from({ length: 100 }, (_, i) => generate(i, "tumbling"));
  const dayMs = 86_400_000;
  const as = (change: (w: WindowCase) => WindowCase): Case[] => cases.map((one) => ({ ...one, windows: one.windows.map(change) }));
  const pairs: { readonly [what: string]: readonly [Case[], Case[]] } = {
    "hopping by its size": [as((w) => w), as((w) => ({ ...w, kind: "hopping", stepMs: w.sizeMs }))],
    "rolling by its size": [as((w) => w), as((w) => ({ ...w, kind: "rolling", stepMs: w.sizeMs }))],
    "days of UTC": [as((w) => ({ ...w, sizeMs: dayMs, stepMs: dayMs })), as((w) => ({ ...w, kind: "calendar", per: "day", zone: "UTC" }))],
  };
  test.each(Object.keys(pairs))("%s", async (what) => {
    const [tumbling, other] = pairs[what] as readonly [Case[], Case[]];
    // Their folds differ: they are left out.
    const plain = (all: Case[]): Case[] =>
      all.map((one) => ({
        ...one,
        windows: one.windows.map((w) => ({ ...w, aggregates: w.aggregates.filter((a) => a.type !== "fold") })),
      }));
    const rows = (await model.expect(plain(tumbling))).flatMap((expected) => expected.rows);
    expect(rows.length).toBeGreaterThan(1000);
    expect((await model.expect(plain(other))).flatMap((expected) => expected.rows)).toEqual(rows);
  });
});

describe("a fault is found, and shrunk to few records:", () => {
  const changed = (rows: readonly ResultRow[], found: (row: ResultRow) => boolean, to: (row: ResultRow) => ResultRow[]): ResultRow[] => {
    const at = rows.findLastIndex(found);
    return at < 0 ? [...rows] : [...rows.slice(0, at), ...to(rows[at] as ResultRow), ...rows.slice(at + 1)];
  };
  const isEmission = ({ what }: ResultRow): boolean => what === "window";
  const inRows =
    (change: (rows: readonly ResultRow[]) => readonly ResultRow[]) =>
    async (one: Case): Promise<SubjectOutcome> => {
      const got = await runSubject(one);
      return "refused" in got ? got : { ...got, rows: change(got.rows) };
    };
  const inWindows = (change: (w: WindowCase) => WindowCase) => (one: Case) => runSubject({ ...one, windows: one.windows.map(change) });

  const faults: { readonly [what: string]: (one: Case) => Promise<SubjectOutcome> } = {
    "a result is lost": inRows((rows) => changed(rows, isEmission, () => [])),
    "a result comes twice": inRows((rows) => changed(rows, isEmission, (row) => [row, row])),
    "a result belongs to the next record": inRows((rows) => changed(rows, isEmission, (row) => [{ ...row, offset: row.offset + 1 }])),
    "a revision is wrong": inRows((rows) => changed(rows, isEmission, (row) => [{ ...row, revision: row.revision + 1 }])),
    "a result is called final that is not": inRows((rows) => changed(rows, isEmission, (row) => [{ ...row, final: !row.final }])),
    "the previous result is wrong": inRows((rows) =>
      changed(
        rows,
        ({ previous }) => previous !== null,
        (row) => [{ ...row, previous: row.result }],
      ),
    ),
    "a window ends a millisecond late": inRows((rows) => rows.map((row) => (row.end === null ? row : { ...row, end: row.end + 1 }))),
    "two results are in the wrong order": inRows((rows) => {
      const at = rows.findIndex((row, i) => isEmission(row) && rows[i + 1] !== undefined && isEmission(rows[i + 1] as ResultRow));
      return at < 0 ? rows : [...rows.slice(0, at), rows[at + 1] as ResultRow, rows[at] as ResultRow, ...rows.slice(at + 2)];
    }),
    "the grace is a millisecond short": inWindows((w) => ({ ...w, graceMs: Math.max(0, w.graceMs - 1) })),
    "windows begin a millisecond late": (one) =>
      runSubject({ ...one, records: one.records.map((r) => ({ ...r, values: r.values.map((v) => ({ ...v, atMs: v.atMs - 1 })) })) }),
    "what is out of order is waited for too long": (one) => runSubject({ ...one, disorderMs: one.disorderMs.map((ms) => ms + 1) }),
    "late contributions are not counted": async (one) => {
      const got = await runSubject(one);
      return "refused" in got ? got : { ...got, lateCounted: { drop: 0, "dead-letter": 0, handle: 0 } };
    },
    "a null counts as 0": (one) =>
      runSubject({ ...one, records: one.records.map((r) => ({ ...r, values: r.values.map((v) => ({ ...v, x: v.x ?? 0 })) })) }),
    "the engine fails": async (one) => {
      await runSubject(one);
      throw new Error("planted");
    },
    "a handler is not a function of the log": async (one) => {
      const definition = definitionFor(one);
      if (definition === undefined) return { refused: [] };
      let calls = 0;
      const handlers = definition.handlers as unknown as { on: { [input: string]: (value: { body: string }, ctx: never) => void } };
      const on = Object.fromEntries(
        Object.entries(handlers.on).map(([input, handler]) => [
          input,
          (value: { body: string }, ctx: never) => {
            // Beyond the first run it skips a record.
            if (calls++ !== one.records.length) handler(value, ctx);
          },
        ]),
      );
      const got = await runSubject(one);
      return "refused" in got ? got : await runDefinition({ ...definition, handlers: { ...handlers, on } } as never, one);
    },
  };

  const isPair = ({ result }: ResultRow): boolean => result !== null && result["left"] !== null && result["right"] !== null;
  const isAlone = (row: ResultRow): boolean => row.what === "window" && !isPair(row);
  const ofJoins: typeof faults = {
    "a pair is lost": inRows((rows) => changed(rows, isPair, () => [])),
    "a pair comes twice": inRows((rows) => changed(rows, isPair, (row) => [row, row])),
    "what is alone is lost": inRows((rows) => changed(rows, isAlone, () => [])),
    "what is alone has a time a millisecond late": inRows((rows) =>
      changed(rows, isAlone, (row) => [{ ...row, result: { ...row.result, at: Number(row.result?.["at"]) + 1 } }]),
    ),
    "two pairs are in the wrong order": inRows((rows) => {
      const at = rows.findIndex((row, i) => isPair(row) && rows[i + 1] !== undefined && isPair(rows[i + 1] as ResultRow));
      return at < 0 ? rows : [...rows.slice(0, at), rows[at + 1] as ResultRow, rows[at] as ResultRow, ...rows.slice(at + 2)];
    }),
    "the interval is a millisecond long": inWindows((w) => ({ ...w, sizeMs: w.sizeMs + 1, graceMs: Math.max(0, w.graceMs - 1) })),
    "a side is waited for a millisecond too long": inWindows((w) => ({ ...w, graceMs: w.graceMs + 1 })),
    "one side only is told of": inWindows((w) => ({ ...w, unmatched: w.unmatched === "both" ? "left" : w.unmatched })),
  };

  test.each([
    ...Object.keys(faults).map((what) => [what, "tumbling"] as const),
    ...Object.keys(ofJoins).map((what) => [what, "join"] as const),
  ])(
    "%s (%s)",
    async (what, kind) => {
      const mismatches: Mismatch[] = [];
      const result = await differential(model, {
        cases: 300,
        seed: 9000,
        only: kind,
        stopAtFirst: true,
        subject: kind === "join" ? ofJoins[what] : faults[what],
        onMismatch: (one) => mismatches.push(one),
      });
      expect(result).toMatchObject({ ok: false, mismatches: 1 });
      expect(mismatches[0]?.shrunk.records.length).toBeLessThanOrEqual(12);
    },
    60_000,
  );
});
