interface Event {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** Events between two looks at whether the run is over: each has its promises settled before the next one begins. */
const eventsPerRound = 64;

/** Virtual time: one event after the other, each with all that follows from it at once. Nothing here depends on the machine's clock. */
export class Scheduler {
  nowMs = 0;
  events = 0;
  private readonly heap: Event[] = [];
  private order = 0;

  /** Runs `run` at a time; the answer takes it back. */
  at(atMs: number, run: () => void): () => void {
    const event: Event = { atMs: Math.max(atMs, this.nowMs), order: this.order++, run };
    this.push(event);
    return () => {
      event.run = undefined;
    };
  }

  after(delayMs: number, run: () => void): () => void {
    return this.at(this.nowMs + delayMs, run);
  }

  /** Until `over`, or nothing is left to do, or `untilMs` is reached. */
  async run(over: () => boolean, untilMs: number): Promise<"over" | "idle" | "late"> {
    for (;;) {
      if (over()) return "over";
      if (this.heap.length === 0) return "idle";
      if (this.nowMs >= untilMs) return "late";
      await new Promise<void>((done) => {
        // Callbacks of one check phase: what each of them resolves is settled before the next one runs.
        for (let left = eventsPerRound; left > 0; left--) setImmediate(left === 1 ? () => (this.step(), done()) : () => this.step());
      });
    }
  }

  private step(): void {
    let event = this.pop();
    while (event !== undefined && event.run === undefined) event = this.pop();
    if (event === undefined) return;
    this.nowMs = event.atMs;
    this.events++;
    event.run?.();
  }

  private push(event: Event): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const up = (at - 1) >>> 1;
      if (!before(event, heap[up] as Event)) break;
      heap[at] = heap[up] as Event;
      at = up;
    }
    heap[at] = event;
  }

  private pop(): Event | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let down = 2 * at + 1;
      if (down >= heap.length) break;
      if (down + 1 < heap.length && before(heap[down + 1] as Event, heap[down] as Event)) down++;
      if (!before(heap[down] as Event, last)) break;
      heap[at] = heap[down] as Event;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}

const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
