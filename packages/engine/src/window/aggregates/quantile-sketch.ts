import { DDSketch } from "@datadog/sketches-js";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { SortedCounts } from "./sorted-counts.ts";
import { Versioned } from "./versioned.ts";

/** Which bin a value belongs to, and which value stands for a bin: within 1 % of all that are in it. */
const { mapping } = new DDSketch({ relativeAccuracy: 0.01 });
/** Bins of doubles are within ± 36,000; moved here, those of negative values can be the same numbers below 0. */
const offset = 1 << 17;
/** For values that have no logarithm in range. */
const infinite = 1 << 20;

/**
 * The counts of a DDSketch (Masson, Rim, Lee: "DDSketch", VLDB 2019) by bin, in the order of the values. Bins are never collapsed, so that what was
 * merged in any order is the same to the byte; there are about 115 per power of ten that the values span. undefined: no values.
 */
export type QuantileSketch = Versioned<SortedCounts, number, number>;

function binOf(value: number): number {
  const size = Math.abs(value);
  if (!(size > mapping.minPossible)) return 0;
  const bin = size > mapping.maxPossible ? infinite : mapping.key(size) + offset;
  return value < 0 ? -bin : bin;
}

function valueOf(bin: number): number {
  if (bin === 0) return 0;
  const size = Math.abs(bin);
  const value = size === infinite ? Number.POSITIVE_INFINITY : mapping.value(size - offset);
  return bin < 0 ? -value : value;
}

export function addValue(sketch: QuantileSketch | undefined, value: number): QuantileSketch {
  const bin = binOf(value);
  if (sketch === undefined) return new Versioned(new SortedCounts([bin], [1]));
  return sketch.with(bin, (sketch.cells.get(bin) ?? 0) + 1);
}

export function mergeSketches(into: QuantileSketch | undefined, from: QuantileSketch | undefined): QuantileSketch | undefined {
  if (from === undefined) return into;
  // A copy: as a version of the other one, each use of one would walk over all that was added to the other.
  if (into === undefined) return new Versioned(from.cells.copy());
  const { keys, counts } = from.cells.copy();
  let merged = into;
  keys.forEach((bin, i) => {
    merged = merged.with(bin, (merged.cells.get(bin) ?? 0) + (counts[i] as number));
  });
  return merged;
}

/** The values at ranks ⌈p / 100 · n⌉ of n, counted from 1, for percents in (0, 100]: within 1 %. NaN for none. */
export function percentilesOf(sketch: QuantileSketch | undefined, percents: readonly number[]): number[] {
  if (sketch === undefined) return percents.map(() => Number.NaN);
  const { keys, counts } = sketch.cells;
  let total = 0;
  for (const count of counts) total += count;
  return percents.map((percent) => {
    const rank = Math.max(1, Math.ceil((percent / 100) * total));
    let i = 0;
    for (let below = counts[0] as number; below < rank && i < counts.length - 1; ) below += counts[++i] as number;
    return valueOf(keys[i] as number);
  });
}

/** [varint bins], then each by value: [varint distance of the bin from the one before; of the first one, zigzag][varint count]. */
export function writeSketch(sketch: QuantileSketch | undefined, out: ByteWriter): void {
  const { keys, counts } = sketch === undefined ? new SortedCounts() : sketch.cells;
  out.varint(keys.length);
  keys.forEach((bin, i) => {
    if (i === 0) out.varint(bin < 0 ? -2 * bin - 1 : 2 * bin);
    else out.varint(bin - (keys[i - 1] as number));
    out.varint(counts[i] as number);
  });
}

export function readSketch(from: ByteReader): QuantileSketch | undefined {
  const length = from.varint();
  if (length === 0) return undefined;
  const keys: number[] = [];
  const counts: number[] = [];
  let bin = 0;
  for (let i = 0; i < length; i++) {
    const n = from.varint();
    if (i > 0) bin += n;
    else bin = n % 2 === 1 ? -(n + 1) / 2 : n / 2;
    keys.push(bin);
    counts.push(from.varint());
  }
  return new Versioned(new SortedCounts(keys, counts));
}
