/** Levels of the wheel: hexadecimal digits of a time, 53 bits of milliseconds. */
const levels = 14;
/** Makes times of both signs count from 0. */
const offsetMs = 2 ** 52;
const lastKey = 2 ** 53 - 1;
const word = 2 ** 32;

/** What is due within a span of time, in any order; entry i is (times[i], slots[i], ids[i]). */
class Bucket {
  times: number[] = [];
  slots: number[] = [];
  ids: string[] = [];
  earliestMs = Number.POSITIVE_INFINITY;

  add(timeMs: number, slot: number, id: string): void {
    this.times.push(timeMs);
    this.slots.push(slot);
    this.ids.push(id);
    if (timeMs < this.earliestMs) this.earliestMs = timeMs;
  }
}

/**
 * What is due when: (time, slot, id), fired in this order. It is derived: rows are the truth, an entry whose row says otherwise is skipped by
 * whoever fires it, so moving or cancelling needs no search.
 *
 * A wheel of wheels (Varghese and Lauck, 1987; in the form of a radix heap): an entry lies in the bucket of the highest hexadecimal digit in which
 * its time differs from the time that fired last, and comes nearer when that digit is reached. Adding is a push, whatever waits; an entry moves a few
 * times in its life, and is sorted only among those of its own time. 24 bytes an entry beside its id.
 */
export class DueQueue {
  /** Times that fired last, or before: due at once. */
  private now = new Bucket();
  /** By level × 16 + digit; undefined: empty. */
  private readonly wheels: (Bucket | undefined)[] = Array.from({ length: levels * 16 }, () => undefined);
  /** By level: a bit for each digit whose bucket is not empty. */
  private readonly filled: number[] = Array.from({ length: levels }, () => 0);
  /** Everything in the wheels is later than this, as a key. */
  private atHigh = 0;
  private atLow = 0;
  private count = 0;
  private nextMs = Number.POSITIVE_INFINITY;

  /** The earliest time, or Infinity. */
  get next(): number {
    return this.nextMs;
  }

  get size(): number {
    return this.count;
  }

  add(timeMs: number, slot: number, id: string): void {
    this.count++;
    if (timeMs < this.nextMs) this.nextMs = timeMs;
    this.place(timeMs, slot, id);
  }

  /**
   * Calls `fire` for everything due at or before `timeMs`, in order (time, slot, id); what `fire` adds takes its place in the order when it lies in
   * the future of what fires now, and comes next when it does not.
   */
  fireUntil(timeMs: number, fire: (dueMs: number, slot: number, id: string) => void): void {
    while (this.count > 0 && this.nextMs <= timeMs) {
      const due = this.nextMs;
      const bySlot = this.takeEarliest();
      this.nextMs = this.earliest();
      for (const slot of [...bySlot.keys()].sort((a, b) => a - b)) {
        const ids = bySlot.get(slot) as string[];
        if (ids.length > 1) ids.sort();
        // What was asked for twice is due once: how often depends on what a restart forgot, so it must not show.
        let before: string | undefined;
        for (const id of ids) {
          if (id !== before) fire(due, slot, id);
          before = id;
        }
      }
    }
  }

  /** Removes what is due at `nextMs`: ids by slot. */
  private takeEarliest(): Map<number, string[]> {
    if (this.now.times.length === 0) this.turn();
    const { times, slots, ids, earliestMs } = this.now;
    this.now = new Bucket();
    const bySlot = new Map<number, string[]>();
    for (let i = 0; i < times.length; i++) {
      if (times[i] !== earliestMs) {
        this.now.add(times[i] as number, slots[i] as number, ids[i] as string);
        continue;
      }
      this.count--;
      const found = bySlot.get(slots[i] as number);
      if (found === undefined) bySlot.set(slots[i] as number, [ids[i] as string]);
      else found.push(ids[i] as string);
    }
    return bySlot;
  }

  /** Goes on to the earliest time in the wheels: what is due then comes to `now`, the rest of its bucket into lower wheels. */
  private turn(): void {
    const index = this.firstBucket();
    const { times, slots, ids, earliestMs } = this.wheels[index] as Bucket;
    this.wheels[index] = undefined;
    (this.filled[index >> 4] as number) &= ~(1 << (index & 15));
    const key = keyOf(earliestMs);
    this.atHigh = Math.floor(key / word);
    this.atLow = key - this.atHigh * word;
    for (let i = 0; i < times.length; i++) this.place(times[i] as number, slots[i] as number, ids[i] as string);
  }

  private place(timeMs: number, slot: number, id: string): void {
    const key = keyOf(timeMs);
    const high = Math.floor(key / word);
    const low = key - high * word;
    if (high < this.atHigh || (high === this.atHigh && low <= this.atLow)) {
      this.now.add(timeMs, slot, id);
      return;
    }
    const differs = high === this.atHigh ? (low ^ this.atLow) >>> 0 : high ^ this.atHigh;
    const digitOfWord = (31 - Math.clz32(differs)) >> 2;
    const digit = ((high === this.atHigh ? low : high) >>> (4 * digitOfWord)) & 15;
    const level = high === this.atHigh ? digitOfWord : 8 + digitOfWord;
    const index = level * 16 + digit;
    let bucket = this.wheels[index];
    if (bucket === undefined) {
      this.wheels[index] = bucket = new Bucket();
      (this.filled[level] as number) |= 1 << digit;
    }
    bucket.add(timeMs, slot, id);
  }

  private earliest(): number {
    if (this.now.times.length > 0) return this.now.earliestMs;
    return this.count === 0 ? Number.POSITIVE_INFINITY : (this.wheels[this.firstBucket()] as Bucket).earliestMs;
  }

  /** A lower wheel, and in it a lower digit, is earlier. Something must be there. */
  private firstBucket(): number {
    let level = 0;
    while (this.filled[level] === 0) level++;
    const bits = this.filled[level] as number;
    return level * 16 + 31 - Math.clz32(bits & -bits);
  }
}

/** A whole number of milliseconds from 0 that sorts as the time does; times of one millisecond, and those beyond all dates, have one key. */
function keyOf(timeMs: number): number {
  const key = Math.floor(timeMs) + offsetMs;
  return key > lastKey ? lastKey : key > 0 ? key : 0;
}
