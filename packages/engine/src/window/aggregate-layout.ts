import type { AggregateDefinition, CustomAggregateDefinition, FoldDefinition } from "@reprise/processor";
import { RepriseError, schemaRuntime } from "@reprise/schema";
import type { Accumulator, MutableAccumulator } from "./accumulator.ts";

/** An aggregate that is no statistic: `fold`, `first`, `last`, … */
type ObjectAggregate = CustomAggregateDefinition;

export type AggregateDefinitions = { readonly [name: string]: AggregateDefinition };

/** How the aggregates of one window are kept: which number stands where, and how they are read. */
export interface AggregateLayout {
  readonly empty: Accumulator;
  /** Adds one record's values in place. @throws RepriseError SCHEMA_INVALID naming the field */
  readonly add: (accumulator: MutableAccumulator, values: { readonly [name: string]: unknown }) => void;
  readonly result: (accumulator: Accumulator) => { readonly [name: string]: unknown };
  readonly encode: (accumulator: Accumulator) => Buffer;
  readonly decode: (bytes: Buffer) => Accumulator;
}

const statistics = ["sum", "min", "max", "mean", "variance", "stddev"] as const;
type KnownStatistic = (typeof statistics)[number];
const isKnown = (name: string): name is KnownStatistic => (statistics as readonly string[]).includes(name);

/** The statistics and aggregates that this release can't run, as `field: name`. */
export function unsupportedAggregates(definitions: AggregateDefinitions): string[] {
  const out: string[] = [];
  for (const [field, aggregate] of Object.entries(definitions)) {
    if (isObjectAggregate(aggregate)) {
      if (aggregate.type !== "fold") out.push(`${field}: ${aggregate.type}()`);
      continue;
    }
    for (const s of typeof aggregate === "string" ? [aggregate] : aggregate) if (!isKnown(s)) out.push(`${field}: "${s}"`);
  }
  return out;
}

function isObjectAggregate(a: AggregateDefinition): a is ObjectAggregate {
  return typeof a === "object" && !Array.isArray(a);
}

/**
 * Compiles the aggregates of a window into straight code: reading `values.delay` by a constant name is several times quicker than walking a list
 * of fields, and this runs for every record. Names enter the code only as JSON string literals.
 */
export function compileAggregates(definitions: AggregateDefinitions, window: string): AggregateLayout {
  const empty: number[] = [];
  const addCode: string[] = [];
  const resultCode: string[] = [];
  const folds: FoldDefinition[] = [];
  const initial: unknown[] = [];
  for (const [field, aggregate] of Object.entries(definitions)) {
    const name = JSON.stringify(field);
    if (isObjectAggregate(aggregate)) {
      if (aggregate.type !== "fold") throw new RepriseError("NOT_SUPPORTED", `window ${window}: ${aggregate.type}() is not supported yet`);
      const k = folds.push(aggregate) - 1;
      initial.push(aggregate.initial);
      // A fold that changes its total in place must not change what was stored.
      addCode.push(`a.values[${k}] = fitting[${k}](folds[${k}].add(clones[${k}](a.values[${k}]), values[${name}]));`);
      resultCode.push(`${name}: a.values[${k}]`);
      continue;
    }
    const numeric = compileNumbers(name, typeof aggregate === "string" ? [aggregate] : aggregate, empty);
    addCode.push(numeric.add);
    const parts = numeric.reads;
    resultCode.push(
      typeof aggregate === "string"
        ? `${name}: ${parts[0]?.[1]}`
        : `${name}: {${parts.map(([s, e]) => `${JSON.stringify(s)}: ${e}`).join(", ")}}`,
    );
  }
  const codecs = folds.map((f) => schemaRuntime(f.schema));
  const bad = (field: string, got: unknown): never => {
    throw new RepriseError(
      "SCHEMA_INVALID",
      `window ${window}: ${field} must be a number or null, got ${typeof got === "number" ? String(got) : typeof got}`,
      { details: { window, field } },
    );
  };
  const clones = codecs.map((c) => (value: unknown) => c.clone(value));
  // Here, where the record is to blame: at the commit it would be nobody's fault.
  const fitting = codecs.map((c) => (value: unknown) => {
    c.check(value);
    return value;
  });
  const add = compiled<AggregateLayout["add"]>(
    `return function add(a, values) { const n = a.numbers; a.count += 1; ${addCode.join("\n")} };`,
    { folds, clones, fitting, bad },
  );
  const result = compiled<AggregateLayout["result"]>(
    `return function result(a) { const n = a.numbers; return { "count": a.count${resultCode.map((c) => `, ${c}`).join("")} }; };`,
    {},
  );
  return {
    empty: { count: 0, numbers: empty, values: initial, revision: 0, emitted: undefined },
    add,
    result,
    encode: (a) => encodeAccumulator(a, codecs),
    decode: (bytes) => decodeAccumulator({ bytes, at: 0 }, empty.length, codecs),
  };
}

function compiled<F>(source: string, values: { readonly [name: string]: unknown }): F {
  // oxlint-disable-next-line typescript/no-implied-eval, typescript/no-unsafe-call -- compiling is what this is for; all names in the source are quoted
  return new Function(...Object.keys(values), source)(...Object.values(values)) as F;
}

function compileNumbers(name: string, wanted: readonly string[], empty: number[]): { add: string; reads: [string, string][] } {
  const slot = (initial: number): number => empty.push(initial) - 1;
  const has = (...s: KnownStatistic[]): boolean => s.some((x) => wanted.includes(x));
  const code: string[] = [];
  const spread = has("variance", "stddev");
  const counted = has("mean") || spread || has("min", "max") ? slot(0) : -1;
  if (counted >= 0) code.push(`n[${counted}] += 1;`);
  const sum = has("sum", "mean") ? slot(0) : -1;
  if (sum >= 0) code.push(`n[${sum}] += v;`);
  const min = has("min") ? slot(Number.POSITIVE_INFINITY) : -1;
  if (min >= 0) code.push(`if (v < n[${min}]) n[${min}] = v;`);
  const max = has("max") ? slot(Number.NEGATIVE_INFINITY) : -1;
  if (max >= 0) code.push(`if (v > n[${max}]) n[${max}] = v;`);
  const running = spread ? slot(0) : -1;
  const m2 = spread ? slot(0) : -1;
  // Welford's method: one pass, no cancellation.
  if (spread) code.push(`{ const d = v - n[${running}]; n[${running}] += d / n[${counted}]; n[${m2}] += d * (v - n[${running}]); }`);
  const none = (expression: string): string => `(n[${counted}] === 0 ? NaN : ${expression})`;
  const read: { readonly [s in KnownStatistic]: () => string } = {
    sum: () => `n[${sum}]`,
    min: () => none(`n[${min}]`),
    max: () => none(`n[${max}]`),
    mean: () => none(`n[${sum}] / n[${counted}]`),
    variance: () => none(`n[${m2}] / n[${counted}]`),
    stddev: () => none(`Math.sqrt(n[${m2}] / n[${counted}])`),
  };
  const reads = wanted.filter(isKnown).map((s): [string, string] => [s, read[s]()]);
  const add = `{ const v = values[${name}]; if (v !== null) { if (typeof v !== "number" || v !== v) bad(${name}, v); ${code.join(" ")} } }`;
  return { add, reads };
}

type Codec = { encode(value: unknown): Uint8Array; decode(bytes: Buffer, start: number, end: number): unknown };

function encodeAccumulator(a: Accumulator, codecs: readonly Codec[]): Buffer {
  const values = codecs.map((c, i) => c.encode(a.values[i]));
  const emitted = a.emitted === undefined ? undefined : encodeAccumulator(a.emitted, codecs);
  const size = 13 + 8 * a.numbers.length + values.reduce((n, v) => n + 4 + v.length, 0) + (emitted?.length ?? 0);
  const out = Buffer.allocUnsafe(size);
  out.writeDoubleLE(a.count, 0);
  out.writeUInt32LE(a.revision, 8);
  let p = 12;
  for (const n of a.numbers) p = out.writeDoubleLE(n, p);
  for (const v of values) {
    p = out.writeUInt32LE(v.length, p);
    out.set(v, p);
    p += v.length;
  }
  out[p++] = emitted === undefined ? 0 : 1;
  if (emitted !== undefined) out.set(emitted, p);
  return out;
}

function decodeAccumulator(cursor: { bytes: Buffer; at: number }, numbersLength: number, codecs: readonly Codec[]): Accumulator {
  const { bytes } = cursor;
  let p = cursor.at;
  const count = bytes.readDoubleLE(p);
  const revision = bytes.readUInt32LE(p + 8);
  p += 12;
  const numbers: number[] = [];
  for (let i = 0; i < numbersLength; i++, p += 8) numbers.push(bytes.readDoubleLE(p));
  const values = codecs.map((c) => {
    const length = bytes.readUInt32LE(p);
    const value = c.decode(bytes, p + 4, p + 4 + length);
    p += 4 + length;
    return value;
  });
  const more = bytes[p++] === 1;
  cursor.at = p;
  const emitted = more ? decodeAccumulator(cursor, numbersLength, codecs) : undefined;
  return { count, numbers, values, revision, emitted };
}
