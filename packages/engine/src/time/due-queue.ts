interface Bucket {
  /** Per slot: ids in any order. Sorted when the bucket fires. */
  readonly slots: Map<number, string[]>;
}

/**
 * What is due when: (time, slot, id), fired in this order. It is derived: rows are the truth, an entry whose row says otherwise is skipped by
 * whoever fires it, so moving or cancelling needs no search. Entries of one time share a bucket, because windows of many keys end together.
 */
export class DueQueue {
  private readonly heap: number[] = [];
  private readonly buckets = new Map<number, Bucket>();

  /** The earliest time, or Infinity. */
  get next(): number {
    return this.heap.length === 0 ? Number.POSITIVE_INFINITY : (this.heap[0] as number);
  }

  get size(): number {
    let n = 0;
    for (const bucket of this.buckets.values()) for (const ids of bucket.slots.values()) n += ids.length;
    return n;
  }

  add(timeMs: number, slot: number, id: string): void {
    let bucket = this.buckets.get(timeMs);
    if (bucket === undefined) {
      bucket = { slots: new Map() };
      this.buckets.set(timeMs, bucket);
      this.push(timeMs);
    }
    const ids = bucket.slots.get(slot);
    if (ids === undefined) bucket.slots.set(slot, [id]);
    else ids.push(id);
  }

  /**
   * Calls `fire` for everything due at or before `timeMs`, in order (time, slot, id); what `fire` adds takes its place in the order when it lies in
   * the future of what fires now, and comes next when it does not.
   */
  fireUntil(timeMs: number, fire: (dueMs: number, slot: number, id: string) => void): void {
    while (this.next <= timeMs) {
      const due = this.pop();
      const bucket = this.buckets.get(due) as Bucket;
      this.buckets.delete(due);
      const slots = [...bucket.slots.keys()].sort((a, b) => a - b);
      for (const slot of slots) {
        const ids = bucket.slots.get(slot) as string[];
        ids.sort();
        // What was asked for twice is due once: how often depends on what a restart forgot, so it must not show.
        let before: string | undefined;
        for (const id of ids) {
          if (id !== before) fire(due, slot, id);
          before = id;
        }
      }
    }
  }

  private push(time: number): void {
    const heap = this.heap;
    let i = heap.push(time) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((heap[parent] as number) <= time) break;
      heap[i] = heap[parent] as number;
      i = parent;
    }
    heap[i] = time;
  }

  private pop(): number {
    const heap = this.heap;
    const top = heap[0] as number;
    const last = heap.pop() as number;
    if (heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
      if ((heap[child] as number) >= last) break;
      heap[i] = heap[child] as number;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}
