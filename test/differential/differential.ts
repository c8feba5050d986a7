import type { Case, Kind } from "./case.ts";
import { compare } from "./compare.ts";
import { generate } from "./generate.ts";
import type { Expected, Model } from "./model.ts";
import { shrink } from "./shrink.ts";
import { runSubject, type SubjectOutcome } from "./subject.ts";

export interface DifferentialOptions {
  readonly cases: number;
  /** Of the first case; each next one has the next seed. */
  readonly seed: number;
  readonly only?: Kind | undefined;
  /** What is compared with the model; the engine by default. For the test of this test. */
  readonly subject?: ((one: Case) => Promise<SubjectOutcome>) | undefined;
  /** Ends with the first mismatch; by default all cases are run. */
  readonly stopAtFirst?: boolean;
  readonly onMismatch?: ((mismatch: Mismatch) => void) | undefined;
}

export interface Mismatch {
  readonly seed: number;
  readonly kind: Kind;
  readonly fault: string;
  /** The case with as few records as still show the fault. */
  readonly shrunk: Case;
}

export interface DifferentialResult {
  readonly ok: boolean;
  readonly cases: number;
  readonly mismatches: number;
  /** Cases that were compared, by kind. */
  readonly compared: { readonly [kind: string]: number };
  /** What there was to compare: emissions, those of them that corrected an earlier one, late contributions, reads that found something; of joins pairs and what was alone. */
  readonly rows: Rows;
  /** Cases that the engine refuses as not supported yet, by kind, and by what it names. */
  readonly skipped: { readonly [kind: string]: number };
  readonly refused: { readonly [feature: string]: number };
}

type Rows = { readonly [N in "emitted" | "corrected" | "late" | "read" | "paired" | "alone"]: number };

/** Cases that the model computes at once. */
const atOnce = 100;
/** Beyond so many, finding and shrinking more tells nothing new. */
const maxShrunk = 5;

/** Runs generated cases through the engine and the model. A mismatch does not end it. */
export async function differential(model: Model, options: DifferentialOptions): Promise<DifferentialResult> {
  const { cases, seed, only, subject = runSubject, stopAtFirst = false, onMismatch } = options;
  const compared: Record<string, number> = {};
  const skipped: Record<string, number> = {};
  const refused: Record<string, number> = {};
  let mismatches = 0;
  const rows = { emitted: 0, corrected: 0, late: 0, read: 0, paired: 0, alone: 0 };
  for (let from = 0; from < cases && !(stopAtFirst && mismatches > 0); from += atOnce) {
    const batch: { one: Case; got: Got }[] = [];
    for (let i = from; i < Math.min(cases, from + atOnce); i++) {
      const one = generate(seed + i, only);
      const got = await runCase(one, subject);
      if ("refused" in got) {
        count(skipped, one.kind);
        for (const feature of new Set(got.refused))
          count(refused, feature.replace(/^windows\.\w+: /, "").replace(/^windows\.\w+\.aggregate\.\w+: /, ""));
      } else batch.push({ one, got });
    }
    const expected = await model.expect(batch.map(({ one }) => one));
    for (const [i, { one, got }] of batch.entries()) {
      count(compared, one.kind);
      tally(rows, expected[i] as Expected);
      const fault = faultOf(one, expected[i] as Expected, got);
      if (fault === undefined) continue;
      mismatches++;
      if (mismatches > maxShrunk) continue;
      const found = await shrink(one, fault, async (smaller) => {
        const again = await runCase(smaller, subject);
        return "refused" in again ? undefined : faultOf(smaller, (await model.expect([smaller]))[0] as Expected, again);
      });
      onMismatch?.({ seed: one.seed, kind: one.kind, fault: found.fault, shrunk: found.one });
      if (stopAtFirst) break;
    }
  }
  return { ok: mismatches === 0, cases, mismatches, compared, rows, skipped, refused };
}

const count = (counts: Record<string, number>, name: string): void => {
  counts[name] = (counts[name] ?? 0) + 1;
};

function tally(counts: { -readonly [N in keyof Rows]: number }, { rows, late }: Expected): void {
  counts.late += late;
  for (const { what, revision, result } of rows) {
    if (result !== null && "left" in result) counts[result["left"] === null || result["right"] === null ? "alone" : "paired"]++;
    else if (what === "window") counts.emitted++;
    if (revision > 1) counts.corrected++;
    if (what === "read" && result !== null) counts.read++;
  }
}

type Got = SubjectOutcome | { readonly failure: string };

/** A failure of the engine is a mismatch like any other. */
async function runCase(one: Case, subject: (one: Case) => Promise<SubjectOutcome>): Promise<Got> {
  try {
    return await subject(one);
  } catch (error) {
    return { failure: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

function faultOf(one: Case, expected: Expected, got: Got): string | undefined {
  if ("failure" in got) return `the engine failed: ${got.failure}`;
  if ("refused" in got) return undefined;
  const fault = compare(one, expected, got.rows) ?? got.invarianceFault;
  if (fault !== undefined) return fault;
  const counted = got.lateCounted.drop + got.lateCounted["dead-letter"] + got.lateCounted.handle;
  return counted === expected.late ? undefined : `late contributions: ${expected.late} expected, ${counted} counted`;
}
