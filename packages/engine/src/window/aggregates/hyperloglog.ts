import { hash128, hashResult } from "../../state/digest.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { SortedCounts } from "./sorted-counts.ts";
import { Versioned } from "./versioned.ts";

/** 2^12 registers: a standard error of 1.04 / √4096 = 1.6 %. */
const indexBits = 12;
const registers = 1 << indexBits;
/** Bits of the hash behind the index. */
const rankBits = 64 - indexBits;
/** Up to here a list is smaller than all registers: in memory, and as bytes. */
const listed = 256;
const listedBytes = 1024;

/** All registers, one byte each; 0 is none. */
class Registers {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get(index: number): number | undefined {
    return this.bytes[index] || undefined;
  }

  set(index: number, rank: number): void {
    this.bytes[index] = rank;
  }

  delete(index: number): void {
    this.bytes[index] = 0;
  }

  copy(): Registers {
    return new Registers(this.bytes.slice());
  }
}

type RegisterCells = SortedCounts | Registers;

/**
 * HyperLogLog (Flajolet et al. 2007) over 64-bit hashes, as registers that have their largest rank. The same values in any order, merged or not, give
 * the same registers. undefined: no values.
 */
export type HyperLogLog = Versioned<RegisterCells, number, number>;

/** Adds an encoded value. */
export function addHash(sketch: HyperLogLog | undefined, value: Uint8Array): HyperLogLog {
  hash128(value, 0, value.length, 0);
  const low = hashResult[0] as number;
  const high = hashResult[1] as number;
  const zeros = high === 0 ? 32 + Math.clz32(low & ~(registers - 1)) : Math.clz32(high);
  return raise(sketch, low & (registers - 1), Math.min(zeros, rankBits) + 1);
}

function raise(sketch: HyperLogLog | undefined, index: number, rank: number): HyperLogLog {
  if (sketch === undefined) return new Versioned<RegisterCells, number, number>(new SortedCounts([index], [rank]));
  const { cells } = sketch;
  const before = cells.get(index);
  if (before !== undefined && before >= rank) return sketch;
  if (before === undefined && cells instanceof SortedCounts && cells.keys.length === listed)
    return new Versioned<RegisterCells, number, number>(allRegisters(cells)).with(index, rank);
  return sketch.with(index, rank);
}

function allRegisters({ keys, counts }: SortedCounts): Registers {
  const bytes = new Uint8Array(registers);
  keys.forEach((index, i) => {
    bytes[index] = counts[i] as number;
  });
  return new Registers(bytes);
}

export function mergeHashes(into: HyperLogLog | undefined, from: HyperLogLog | undefined): HyperLogLog | undefined {
  if (from === undefined) return into;
  // A copy: as a version of the other one, each use of one would walk over all that was added to the other.
  const copy = from.cells.copy();
  if (into === undefined) return new Versioned<RegisterCells, number, number>(copy);
  let merged = into;
  each(copy, (index, rank) => {
    merged = raise(merged, index, rank);
  });
  return merged;
}

/** By index. */
function each(cells: RegisterCells, use: (index: number, rank: number) => void): void {
  if (cells instanceof SortedCounts) cells.keys.forEach((index, i) => use(index, cells.counts[i] as number));
  else
    cells.bytes.forEach((rank, index) => {
      if (rank > 0) use(index, rank);
    });
}

/** How many different values, to the next integer. The improved estimator of O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches", 2017. */
export function estimate(sketch: HyperLogLog | undefined): number {
  if (sketch === undefined) return 0;
  const histogram = new Float64Array(rankBits + 2);
  let used = 0;
  each(sketch.cells, (_index, rank) => {
    used++;
    histogram[rank] = (histogram[rank] as number) + 1;
  });
  let z = registers * tau(1 - (histogram[rankBits + 1] as number) / registers);
  for (let rank = rankBits; rank >= 1; rank--) z = 0.5 * (z + (histogram[rank] as number));
  z += registers * sigma((registers - used) / registers);
  return Math.round((registers * registers) / (2 * Math.LN2 * z));
}

function sigma(share: number): number {
  let x = share;
  let y = 1;
  let z = x;
  for (let before = Number.NaN; z !== before; ) {
    before = z;
    x *= x;
    z += x * y;
    y += y;
  }
  return z;
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let x = share;
  let y = 1;
  let z = 1 - x;
  for (let before = Number.NaN; z !== before; ) {
    before = z;
    x = Math.sqrt(x);
    y *= 0.5;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}

/** [varint registers in use], then each: [varint distance from the index before][u8 rank]; above 1024 all registers, a byte each. */
export function writeHashes(sketch: HyperLogLog | undefined, out: ByteWriter): void {
  const cells = sketch === undefined ? new SortedCounts() : sketch.cells;
  let used = 0;
  each(cells, () => used++);
  out.varint(used);
  if (used > listedBytes) out.raw((cells as Registers).bytes);
  else {
    let last = 0;
    each(cells, (index, rank) => {
      out.varint(index - last);
      out.byte(rank);
      last = index;
    });
  }
}

export function readHashes(from: ByteReader): HyperLogLog | undefined {
  const used = from.varint();
  if (used === 0) return undefined;
  if (used > listedBytes) {
    const start = from.skip(registers);
    return new Versioned<RegisterCells, number, number>(new Registers(Uint8Array.from(from.buffer.subarray(start, start + registers))));
  }
  const cells = new SortedCounts();
  let index = 0;
  for (let i = 0; i < used; i++) {
    index += from.varint();
    cells.keys.push(index);
    cells.counts.push(from.byte());
  }
  return new Versioned<RegisterCells, number, number>(used > listed ? allRegisters(cells) : cells);
}
