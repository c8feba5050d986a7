/** What a version is made of. A `Map` is one. */
export interface Cells<K, V> {
  get(key: K): V | undefined;
  set(key: K, value: V): unknown;
  delete(key: K): unknown;
}

/**
 * One of several versions of the same cells, of which only the one that is used has them; the others know how they differ from a neighbour. So a record
 * costs one cell, not a copy of all, and what was committed or is to be undone can still be read (H. Baker, "Shallow Binding Makes Functional
 * Arrays Fast", 1991). Using another version costs as much as there are changes in between. Versions that nobody has any more are collected.
 */
export class Versioned<C extends Cells<K, V>, K, V> {
  private held: C | undefined;
  /** While `held` is not here: the neighbour on the way to it, and the cell in which this version differs from that one. */
  private next: Versioned<C, K, V> | undefined = undefined;
  private key: K | undefined = undefined;
  private value: V | undefined = undefined;

  constructor(cells: C) {
    this.held = cells;
  }

  /** As they are in this version. To be read only, and before another version is used. */
  get cells(): C {
    return this.held ?? this.fetch();
  }

  /** The version with this cell instead. */
  with(key: K, value: V): Versioned<C, K, V> {
    const cells = this.cells;
    const before = cells.get(key);
    if (before === value) return this;
    cells.set(key, value);
    const changed = new Versioned<C, K, V>(cells);
    this.held = undefined;
    this.next = changed;
    this.key = key;
    this.value = before;
    return changed;
  }

  private fetch(): C {
    const way: Versioned<C, K, V>[] = [];
    // oxlint-disable-next-line unicorn/no-this-assignment, typescript/no-this-alias -- where a walk begins
    let at: Versioned<C, K, V> = this;
    while (at.held === undefined) {
      way.push(at);
      at = at.next as Versioned<C, K, V>;
    }
    const cells = at.held;
    for (const version of way.reverse()) {
      const key = version.key as K;
      at.held = undefined;
      at.next = version;
      at.key = key;
      at.value = cells.get(key);
      if (version.value === undefined) cells.delete(key);
      else cells.set(key, version.value);
      version.held = cells;
      version.next = undefined;
      version.key = undefined;
      version.value = undefined;
      at = version;
    }
    return cells;
  }
}
