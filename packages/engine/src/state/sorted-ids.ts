/** Ids per leaf before it is split: what an insertion moves. */
const leafIds = 512;

/** The ids of a key's cached rows in a slot, in order: what a range read walks together with the store. Insertion moves within one leaf. */
export class SortedIds {
  /** Never empty; an empty leaf only when it is the only one. */
  readonly leaves: string[][];
  /** Changes with every insertion and deletion. */
  version = 0;

  constructor(ids: Iterable<string>) {
    const sorted = [...ids].sort();
    this.leaves = [];
    for (let at = 0; at < sorted.length; at += leafIds / 2) this.leaves.push(sorted.slice(at, at + leafIds / 2));
    if (this.leaves.length === 0) this.leaves.push([]);
  }

  add(id: string): void {
    const index = this.leafOf(id);
    const leaf = this.leaves[index] as string[];
    const at = lowerBound(leaf, id);
    if (leaf[at] === id) return;
    this.version++;
    leaf.splice(at, 0, id);
    if (leaf.length > leafIds) this.leaves.splice(index + 1, 0, leaf.splice(leafIds / 2));
  }

  delete(id: string): void {
    const index = this.leafOf(id);
    const leaf = this.leaves[index] as string[];
    const at = lowerBound(leaf, id);
    if (leaf[at] !== id) return;
    this.version++;
    leaf.splice(at, 1);
    if (leaf.length === 0 && this.leaves.length > 1) this.leaves.splice(index, 1);
  }

  /** The leaf that has, or would get, the id. */
  leafOf(id: string): number {
    let low = 0;
    let high = this.leaves.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (((this.leaves[middle] as string[])[0] as string) <= id) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

/**
 * Walks the ids of [from, to) in one direction, and finds its place again when ids come or go meanwhile: it then goes on behind `last`, which the
 * reader sets to what it took.
 */
export class IdCursor {
  last: string | undefined;
  private readonly ids: SortedIds;
  private readonly from: string;
  private readonly to: string | undefined;
  private readonly reverse: boolean;
  private version = -1;
  private leaf = 0;
  private at = 0;

  constructor(ids: SortedIds, from: string, to: string | undefined, reverse: boolean) {
    this.ids = ids;
    this.from = from;
    this.to = to;
    this.reverse = reverse;
  }

  /** The next id behind `last`, or undefined at the end. */
  peek(): string | undefined {
    if (this.version !== this.ids.version) this.seek();
    const { leaves } = this.ids;
    let leaf = leaves[this.leaf];
    if (this.reverse) {
      while (leaf !== undefined && this.at < 0) {
        leaf = leaves[--this.leaf];
        this.at = (leaf?.length ?? 0) - 1;
      }
      const id = leaf?.[this.at];
      return id === undefined || id < this.from ? undefined : id;
    }
    while (leaf !== undefined && this.at >= leaf.length) {
      leaf = leaves[++this.leaf];
      this.at = 0;
    }
    const id = leaf?.[this.at];
    return id === undefined || (this.to !== undefined && id >= this.to) ? undefined : id;
  }

  /** Goes on behind what `peek` gave. */
  advance(): void {
    this.at += this.reverse ? -1 : 1;
  }

  private seek(): void {
    const { ids, last } = this;
    this.version = ids.version;
    if (this.reverse) {
      const bound = last ?? this.to;
      this.leaf = bound === undefined ? ids.leaves.length - 1 : ids.leafOf(bound);
      const leaf = ids.leaves[this.leaf] as string[];
      this.at = (bound === undefined ? leaf.length : lowerBound(leaf, bound)) - 1;
      return;
    }
    const bound = last ?? this.from;
    this.leaf = ids.leafOf(bound);
    const leaf = ids.leaves[this.leaf] as string[];
    this.at = lowerBound(leaf, bound);
    if (last !== undefined && leaf[this.at] === last) this.at++;
  }
}

/** Index of the first id that is not smaller. */
function lowerBound(ids: readonly string[], id: string): number {
  let low = 0;
  let high = ids.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ids[middle] as string) < id) low = middle + 1;
    else high = middle;
  }
  return low;
}
