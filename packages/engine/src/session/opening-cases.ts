import type { ErrorCode } from "@reprise/schema";

/** What is known of a task before a base is looked for. */
export interface OpeningFacts {
  /** What the commit record says; `none`: there is none. */
  readonly record: "none" | "building" | "live";
  /** A local store or a checkpoint knows of a decided commit, n > 0. */
  readonly decidedBefore: boolean;
  /** The deployment published from its start: its state at n = 0 is the empty one. */
  readonly fromStart: boolean;
  /** It was deployed to begin with an older deployment's checkpoint. */
  readonly migrates: boolean;
}

/**
 * - `local`: the slot's own store, when it is this task's and can be read.
 * - `checkpoints`: the task's own, newest first, each if it verifies.
 * - `older`: checkpoints of the older deployment, newest first, rows migrated.
 * - `empty`: nothing, from the earliest offsets (or from where the commit record says that n = 0 was).
 */
export type BaseKind = "local" | "checkpoints" | "older" | "empty";

export interface OpeningCase {
  /** As docs/DESIGN.md names it. */
  readonly name: string;
  readonly when: Partial<OpeningFacts>;
  /** What the task is once it is open. */
  readonly mode: "building" | "live";
  /** Tried in this order; the first that leads to the commit record is taken. None: it is refused at once. */
  readonly bases: readonly BaseKind[];
  /** Why it is refused when no base leads there. */
  readonly otherwise: ErrorCode;
}

/**
 * The decision table of opening (design section 5, steps 5 to 7): the first row that fits. A local store comes before checkpoints also when a
 * checkpoint has a larger n: a few deltas cost less than a copy of the state, and when deltas are gone it is dropped after the first one read.
 */
export const openingCases: readonly OpeningCase[] = [
  {
    name: "live at N, published from its start",
    when: { record: "live", fromStart: true },
    mode: "live",
    bases: ["local", "checkpoints", "empty"],
    otherwise: "DELTAS_LOST",
  },
  { name: "live at N", when: { record: "live" }, mode: "live", bases: ["local", "checkpoints"], otherwise: "DELTAS_LOST" },
  // Committed offsets are gone: going on from anywhere would publish again.
  {
    name: "none or building, though a commit was decided",
    when: { decidedBefore: true },
    mode: "live",
    bases: [],
    otherwise: "DELTAS_LOST",
  },
  {
    name: "none, publishes from its start",
    when: { record: "none", fromStart: true },
    mode: "live",
    bases: ["empty"],
    otherwise: "DELTAS_LOST",
  },
  {
    name: "none or building, begins with an older deployment's checkpoint",
    when: { migrates: true },
    mode: "building",
    bases: ["local", "checkpoints", "older"],
    otherwise: "CHECKPOINT_MISSING",
  },
  { name: "none or building", when: {}, mode: "building", bases: ["local", "checkpoints", "empty"], otherwise: "DELTAS_LOST" },
];

export function openingCaseOf(facts: OpeningFacts): OpeningCase {
  const fits = ({ when }: OpeningCase): boolean =>
    Object.entries(when).every(([name, value]) => facts[name as keyof OpeningFacts] === value);
  return openingCases.find(fits) as OpeningCase;
}
