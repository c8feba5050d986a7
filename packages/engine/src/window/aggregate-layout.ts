import type { AggregateDefinition, CustomAggregateDefinition } from "@reprise/processor";
import { RepriseError } from "@reprise/schema";
import type { Accumulator, MutableAccumulator } from "./accumulator.ts";
import { accumulatorCodec, resultOf } from "./aggregates/accumulator-codec.ts";
import { approximateDistinct } from "./aggregates/approximate-distinct.ts";
import { exactDistinct } from "./aggregates/distinct.ts";
import { firstOrLast } from "./aggregates/first-last.ts";
import { ownFold } from "./aggregates/fold.ts";
import { type KeptValue, Settled } from "./aggregates/kept-value.ts";
import { percentiles } from "./aggregates/percentiles.ts";
import { compileStatistics } from "./aggregates/statistics.ts";
import { top } from "./aggregates/top.ts";

export type AggregateDefinitions = { readonly [name: string]: AggregateDefinition };

/** How the aggregates of one window are kept: which number stands where, and how they are read. */
export interface AggregateLayout {
  readonly empty: Accumulator;
  /**
   * Adds one contribution's values in place. `timeMs`: its event time. What it throws leaves a part added: `accumulator` is to be a copy.
   * @throws RepriseError SCHEMA_INVALID naming window and field; what an own fold throws
   */
  readonly add: (accumulator: MutableAccumulator, values: { readonly [name: string]: unknown }, timeMs: number) => void;
  /**
   * Adds what another accumulator has taken, in place; `from` is the later one in event time, and stays what it is. Leaves `revision` and
   * `emitted` alone. As with `add`, `into` is to be a copy.
   * @throws RepriseError SCHEMA_INVALID naming window and field; what an own fold throws
   */
  readonly merge: (into: MutableAccumulator, from: Accumulator) => void;
  readonly result: (accumulator: Accumulator) => { readonly [name: string]: unknown };
  /** What `emitted` needs of an accumulator: its count and its result. Nothing can be added to it. */
  readonly settled: (accumulator: Accumulator) => Accumulator;
  readonly encode: (accumulator: Accumulator) => Buffer;
  /** @throws RepriseError STATE_CORRUPT for a format that this release does not know */
  readonly decode: (bytes: Buffer) => Accumulator;
}

function isObjectAggregate(a: AggregateDefinition): a is CustomAggregateDefinition {
  return typeof a === "object" && !Array.isArray(a);
}

/**
 * Compiles the aggregates of a window into straight code: reading `values.delay` by a constant name is several times quicker than walking a list
 * of fields, and this runs for every record. Names enter the code only as JSON string literals.
 * @throws RepriseError INVALID_DECLARATION when `needsMerge` and an own fold has no `merge`
 */
export function compileAggregates(definitions: AggregateDefinitions, window: string, needsMerge: boolean): AggregateLayout {
  const numbers: number[] = [];
  const kinds: KeptValue[] = [];
  const addCode: string[] = [];
  const mergeCode: string[] = [];
  const readCode: string[] = [];
  const resultCode: string[] = [];
  const keep = (kind: KeptValue): number => {
    const k = kinds.push(kind) - 1;
    mergeCode.push(`a.values[${k}] = kinds[${k}].merge(a.values[${k}], b.values[${k}]);`);
    return k;
  };
  for (const [field, aggregate] of Object.entries(definitions)) {
    const name = JSON.stringify(field);
    if (isObjectAggregate(aggregate)) {
      if (needsMerge && aggregate.type === "fold" && aggregate.merge === undefined)
        throw new RepriseError("INVALID_DECLARATION", `window ${window}: the fold ${field} needs a merge: this window combines parts`, {
          details: { window, field },
        });
      const k = keep(keptValue(aggregate, `window ${window}: ${field}`));
      addCode.push(`a.values[${k}] = kinds[${k}].add(a.values[${k}], values[${name}], t);`);
      resultCode.push(`${name}: resultOf(kinds[${k}], a.values[${k}])`);
      continue;
    }
    const wanted: readonly string[] = typeof aggregate === "string" ? [aggregate] : [...new Set(aggregate)];
    const ranks = wanted.filter((s) => s.startsWith("p"));
    const code = compileStatistics(wanted, numbers);
    const reads = new Map(code.reads);
    let { add } = code;
    if (ranks.length > 0) {
      const k = keep(percentiles(ranks.map((s) => Number(s.slice(1)))));
      add += `a.values[${k}] = kinds[${k}].add(a.values[${k}], v, t);`;
      readCode.push(`const p${k} = resultOf(kinds[${k}], a.values[${k}]);`);
      ranks.forEach((s, i) => reads.set(s, `p${k}[${i}]`));
    }
    addCode.push(`{ const v = values[${name}]; if (v !== null) { if (typeof v !== "number" || v !== v) bad(${name}, v); ${add} } }`);
    mergeCode.push(code.merge);
    resultCode.push(
      typeof aggregate === "string"
        ? `${name}: ${reads.get(aggregate)}`
        : `${name}: {${wanted.map((s) => `${JSON.stringify(s)}: ${reads.get(s)}`).join(", ")}}`,
    );
  }
  const bad = (field: string, got: unknown): never => {
    throw new RepriseError(
      "SCHEMA_INVALID",
      `window ${window}: ${field} must be a number or null, got ${typeof got === "number" ? String(got) : typeof got}`,
      { details: { window, field } },
    );
  };
  const scope = { kinds, bad, resultOf };
  return {
    empty: { count: 0, numbers, values: kinds.map(({ initial }) => initial), revision: 0, emitted: undefined },
    add: compiled(`return function add(a, values, t) { const n = a.numbers; a.count += 1; ${addCode.join("\n")} };`, scope),
    merge: compiled(
      `return function merge(a, b) { const n = a.numbers, m = b.numbers; a.count += b.count; ${mergeCode.join("\n")} };`,
      scope,
    ),
    result: compiled(
      `return function result(a) { const n = a.numbers; ${readCode.join("\n")} return { "count": a.count${resultCode.map((c) => `, ${c}`).join("")} }; };`,
      scope,
    ),
    settled: ({ count, revision, numbers: n, values }) => ({
      count,
      revision,
      numbers: n,
      values: values.length === 0 ? values : kinds.map((kind, i) => new Settled(resultOf(kind, values[i]))),
      emitted: undefined,
    }),
    ...accumulatorCodec(window, numbers.length, kinds),
  };
}

function keptValue(aggregate: CustomAggregateDefinition, what: string): KeptValue {
  switch (aggregate.type) {
    case "first":
    case "last":
      return firstOrLast(aggregate, what);
    case "distinct":
      return aggregate.approximate ? approximateDistinct(aggregate, what) : exactDistinct(aggregate, what);
    case "top":
      return top(aggregate, what);
    case "fold":
      return ownFold(aggregate, what);
  }
}

function compiled<F>(source: string, scope: { readonly [name: string]: unknown }): F {
  // oxlint-disable-next-line typescript/no-implied-eval, typescript/no-unsafe-call -- compiling is what this is for; all names in the source are quoted
  return new Function(...Object.keys(scope), source)(...Object.values(scope)) as F;
}
