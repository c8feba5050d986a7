/** Positive numbers by integer key, in the order of the keys: two plain arrays, so that a walk over them is quick and few keys take little room. */
export class SortedCounts {
  readonly keys: number[];
  readonly counts: number[];

  constructor(keys: number[] = [], counts: number[] = []) {
    this.keys = keys;
    this.counts = counts;
  }

  copy(): SortedCounts {
    return new SortedCounts(this.keys.slice(), this.counts.slice());
  }

  get(key: number): number | undefined {
    const i = this.from(key);
    return this.keys[i] === key ? this.counts[i] : undefined;
  }

  set(key: number, count: number): void {
    const i = this.from(key);
    if (this.keys[i] === key) this.counts[i] = count;
    else {
      this.keys.splice(i, 0, key);
      this.counts.splice(i, 0, count);
    }
  }

  delete(key: number): void {
    const i = this.from(key);
    if (this.keys[i] !== key) return;
    this.keys.splice(i, 1);
    this.counts.splice(i, 1);
  }

  /** The index of the first key that is not smaller. */
  private from(key: number): number {
    const { keys } = this;
    let low = 0;
    let high = keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((keys[middle] as number) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
