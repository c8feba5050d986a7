/** Aggregates of a window, by the name the case gives them. Numbers that JSON can't say are strings: "NaN". */
export type WindowResult = { readonly [name: string]: unknown };

/** One thing that a run has to say, at the record that caused it. Both sides give them in order. */
export interface ResultRow {
  readonly what: "window" | "late" | "dead-letter" | "read";
  /** Where it was said: the input and offset of the record, and stream time there. */
  readonly input: number;
  readonly offset: number;
  readonly streamTimeMs: number;
  readonly window: string;
  readonly key: string;
  /** Epoch ms; null: unbounded, or a read. */
  readonly start: number | null;
  readonly end: number | null;
  /** Of a window's emission; else 0 and false. */
  readonly revision: number;
  readonly final: boolean;
  /** Of an emission or a read that found something. Late rows have what was added. */
  readonly result: WindowResult | null;
  readonly previous: WindowResult | null;
}
