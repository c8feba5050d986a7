/**
 * What a window has taken so far. Immutable once it is stored: `add` makes a new one, so that a record can be undone and queries see what was
 * committed.
 */
export interface Accumulator {
  readonly count: number;
  /** Running numbers of the statistics, laid out by `AggregateLayout`. */
  readonly numbers: readonly number[];
  /** Running values of the own folds, `first` and `last`. */
  readonly values: readonly unknown[];
  /** How often the window was emitted. */
  readonly revision: number;
  /** What was emitted last; kept while corrections are possible. */
  readonly emitted: Accumulator | undefined;
}

export interface MutableAccumulator {
  count: number;
  numbers: number[];
  values: unknown[];
  revision: number;
  emitted: Accumulator | undefined;
}

export function copyOf(a: Accumulator): MutableAccumulator {
  return {
    count: a.count,
    numbers: a.numbers.slice(),
    values: a.values.length === 0 ? [] : a.values.slice(),
    revision: a.revision,
    emitted: a.emitted,
  };
}
