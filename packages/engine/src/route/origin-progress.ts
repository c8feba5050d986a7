import { finiteOrNull, orMinusInfinity } from "../task/task-meta.ts";
import type { OriginStamp } from "./origin-stamp.ts";

/** What is kept of one origin in a task's meta: [next offset, index taken of it, stream time, idle, known end]. */
export type SavedOrigin = readonly [next: number, index: number, timeMs: number | null, idle: 0 | 1, end: number];

/**
 * How far an internal topic's partition has been filled from each partition of its source (its origins), as the records in it say: a function of its
 * log alone. Its time is that of the origin that is furthest behind, so that no origin's records are late because another's came first. An origin
 * that has nothing more holds nobody back: it has said so, and nobody has seen a later end of it since. One of which nothing was heard holds everything
 * back. When none has more, it is the largest time.
 */
export class OriginProgress {
  /** Every record of the origin below this was taken; −1: nothing was heard of it. */
  private readonly nexts: Float64Array;
  /** Of the record at it, those up to this index were taken; −1: none. */
  private readonly indexes: Float64Array;
  private readonly times: Float64Array;
  private readonly idle: Uint8Array;
  /** Largest end of the origin that any route saw. */
  private readonly ends: Float64Array;
  /** As it follows from the origins. */
  private timeMs = Number.NEGATIVE_INFINITY;
  private kept: readonly SavedOrigin[] = [];

  /** @param origins partitions of the source */
  constructor(origins: number) {
    this.nexts = new Float64Array(origins);
    this.indexes = new Float64Array(origins);
    this.times = new Float64Array(origins);
    this.idle = new Uint8Array(origins);
    this.ends = new Float64Array(origins);
    this.load([]);
  }

  get size(): number {
    return this.nexts.length;
  }

  /** More is to come without anything having to happen at the source: what others have must wait for it. */
  get pending(): boolean {
    for (let p = 0; p < this.nexts.length; p++) if (this.idle[p] === 0 || (this.nexts[p] as number) < (this.ends[p] as number)) return true;
    return false;
  }

  /** False: it was there before. A route whose committed offsets are gone begins again, and writes again. */
  isNew({ marker, partition, offset, index }: OriginStamp): boolean {
    const next = this.nexts[partition] as number;
    if (offset !== next) return offset > next;
    const taken = this.indexes[partition] as number;
    return marker ? taken < 0 : index > taken;
  }

  /** The time of the internal partition once this is taken. */
  timeAfter(stamp: OriginStamp): number {
    const { partition, ends } = stamp;
    // Time only grows: one that held nobody back does not begin to.
    if (
      ends === undefined &&
      !stamp.idle &&
      this.idle[partition] === 0 &&
      (this.nexts[partition] as number) >= 0 &&
      (this.times[partition] as number) > this.timeMs
    )
      return this.timeMs;
    let smallest = Number.POSITIVE_INFINITY;
    let largest = Number.NEGATIVE_INFINITY;
    for (let p = 0; p < this.times.length; p++) {
      let timeMs = this.times[p] as number;
      let next = this.nexts[p] as number;
      let idle = this.idle[p] === 1;
      if (p === partition) {
        if (stamp.timeMs > timeMs) ({ timeMs } = stamp);
        ({ idle, offset: next } = stamp);
      } else if (next < 0) return Number.NEGATIVE_INFINITY;
      if (timeMs > largest) largest = timeMs;
      const more = !idle || next < (this.ends[p] as number) || next < (ends?.[p] ?? 0);
      if (more && timeMs < smallest) smallest = timeMs;
    }
    return smallest === Number.POSITIVE_INFINITY ? largest : smallest;
  }

  take(stamp: OriginStamp): void {
    const { partition, ends } = stamp;
    this.timeMs = this.timeAfter(stamp);
    this.nexts[partition] = stamp.offset;
    this.indexes[partition] = stamp.index;
    if (stamp.timeMs > (this.times[partition] as number)) this.times[partition] = stamp.timeMs;
    this.idle[partition] = stamp.idle ? 1 : 0;
    if (ends === undefined) return;
    for (let p = 0; p < this.ends.length; p++) this.ends[p] = Math.max(this.ends[p] as number, ends[p] ?? 0);
  }

  /** Names this moment for `goBack`. */
  keep(): void {
    this.kept = this.save();
  }

  goBack(): void {
    this.load(this.kept);
  }

  save(): SavedOrigin[] {
    return Array.from(this.nexts, (next, p): SavedOrigin => {
      const [index, timeMs, end] = [this.indexes[p] as number, this.times[p] as number, this.ends[p] as number];
      return [next, index, finiteOrNull(timeMs), this.idle[p] === 1 ? 1 : 0, end];
    });
  }

  load(saved: readonly SavedOrigin[]): void {
    let smallest = Number.POSITIVE_INFINITY;
    let largest = Number.NEGATIVE_INFINITY;
    for (let p = 0; p < this.nexts.length; p++) {
      const [next, index, time, idle, end] = saved[p] ?? unheard;
      const timeMs = orMinusInfinity(time);
      this.nexts[p] = next;
      this.indexes[p] = index;
      this.times[p] = timeMs;
      this.idle[p] = idle;
      this.ends[p] = end;
      // One that was not heard of has no time, and holds all others back.
      if (timeMs > largest) largest = timeMs;
      if ((idle === 0 || next < end) && timeMs < smallest) smallest = timeMs;
    }
    this.timeMs = smallest === Number.POSITIVE_INFINITY ? largest : smallest;
  }
}

const unheard: SavedOrigin = [-1, -1, null, 0, 0];
