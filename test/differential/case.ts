/** One generated program and its input: everything is a function of (kind, seed). */
export interface Case {
  readonly seed: number;
  readonly kind: Kind;
  readonly order: "log" | "event-time";
  /** `outOfOrder` of each input, ms; as many inputs as entries. */
  readonly disorderMs: readonly number[];
  /** Event time stands in the value; else it is the Kafka timestamp. */
  readonly timeInValue: boolean;
  readonly windows: readonly WindowCase[];
  readonly records: readonly InRecord[];
}

export const kinds = ["tumbling", "hopping", "rolling", "session", "calendar", "global", "join"] as const;
export type Kind = (typeof kinds)[number];
export type Emission = "final" | "end" | "change" | "none";
export type LatePolicy = "drop" | "dead-letter" | "handle";

export interface WindowCase {
  readonly name: string;
  readonly kind: Kind;
  /** Of a session its gap, of a join its interval, of a calendar window 0. */
  readonly sizeMs: number;
  /** `every` of hopping, `step` of rolling windows; else the size. */
  readonly stepMs: number;
  readonly maxMs: number | null;
  readonly per: "day" | "week" | "month";
  readonly zone: string;
  readonly emit: Emission;
  readonly late: LatePolicy;
  readonly graceMs: number;
  readonly throttleMs: number | null;
  readonly keepMs: number | null;
  readonly aggregates: readonly AggregateCase[];
  /** Of a join; else "none". */
  readonly unmatched: "none" | "left" | "right" | "both";
}

export type AggregateCase =
  | { readonly type: "statistics"; readonly words: readonly string[] }
  | { readonly type: "word"; readonly word: string }
  | { readonly type: "first" | "last" | "distinct" | "approximate" | "fold" }
  | { readonly type: "top"; readonly n: number };

/** What an aggregate is called in the processor and in results. */
export function nameOf(aggregate: AggregateCase): string {
  return aggregate.type === "word" ? `one_${aggregate.word.replace(".", "_")}` : aggregate.type;
}

/** One record of the log: it gives all its values to all windows. */
export interface InRecord {
  readonly input: number;
  readonly key: string;
  readonly timeMs: number;
  readonly values: readonly Contribution[];
  /** Does not decode: it is skipped, and moves no time. */
  readonly junk: boolean;
  /** The time for which the handler reads `current` afterwards. */
  readonly readAtMs: number;
}

export interface Contribution {
  readonly atMs: number;
  readonly x: number | null;
  readonly item: string | null;
  /** To which side of joins it goes. */
  readonly side: "left" | "right";
}

/** What a contribution gives to a join: which one it is. */
export const joinValueOf = (input: number, offset: number, c: number): string => `${input}/${offset}/${c}`;

/** Windows that combine parts can't know the order of arrival: their fold does not depend on it. */
export const foldsInOrder = ({ kind }: WindowCase): boolean => kind !== "session" && kind !== "rolling";

/** What a contribution gives to each aggregate; late rows repeat it. */
export function valuesOf(w: WindowCase, { x, item }: Contribution): { readonly [name: string]: unknown } {
  return Object.fromEntries(
    w.aggregates.map((a) => [
      nameOf(a),
      a.type === "statistics" || a.type === "word" ? x : a.type !== "top" ? item : item === null || x === null ? null : { item, by: x },
    ]),
  );
}
