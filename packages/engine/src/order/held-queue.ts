/** A record that waits for its time, without its bytes: those are in its row. */
export interface HeldRecord {
  readonly timeMs: number;
  /** Index of its input, and its offset there. */
  readonly input: number;
  readonly offset: number;
  /** Of its key: latin1 of the bytes. */
  readonly keyId: string;
}

/** Held records by (time, input, offset): a binary heap. Derived from their rows. */
export class HeldQueue {
  private readonly heap: HeldRecord[] = [];

  get size(): number {
    return this.heap.length;
  }

  get first(): HeldRecord | undefined {
    return this.heap[0];
  }

  add(record: HeldRecord): void {
    const { heap } = this;
    let i = heap.push(record) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (isBefore(heap[parent] as HeldRecord, record)) break;
      heap[i] = heap[parent] as HeldRecord;
      i = parent;
    }
    heap[i] = record;
  }

  /** Removes the first. There must be one. */
  take(): HeldRecord {
    const { heap } = this;
    const top = heap[0] as HeldRecord;
    const last = heap.pop() as HeldRecord;
    if (heap.length === 0) return top;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1] as HeldRecord, heap[child] as HeldRecord)) child++;
      if (isBefore(last, heap[child] as HeldRecord)) break;
      heap[i] = heap[child] as HeldRecord;
      i = child;
    }
    heap[i] = last;
    return top;
  }
}

function isBefore(a: HeldRecord, b: HeldRecord): boolean {
  if (a.timeMs !== b.timeMs) return a.timeMs < b.timeMs;
  return a.input !== b.input ? a.input < b.input : a.offset < b.offset;
}
