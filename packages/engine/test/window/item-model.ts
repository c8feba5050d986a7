/** What windows with items give, the plain way: a window is the list of the items it has now, and everything is made anew for each look. */

export interface Op {
  readonly op: "put" | "remove";
  readonly id: string;
  /** Of puts. */
  readonly at: number;
  readonly n: number;
}

export interface Event {
  readonly key: string;
  readonly at: number;
  readonly ops: readonly Op[];
  /** The time of which the window is read, after the ops. */
  readonly readAt: number;
  /** The handler throws after the ops, and the record is skipped. */
  readonly throws: boolean;
}

export type Kind =
  | { readonly type: "tumbling"; readonly sizeMs: number }
  | { readonly type: "hopping"; readonly sizeMs: number; readonly everyMs: number }
  | { readonly type: "rolling"; readonly sizeMs: number; readonly stepMs: number }
  | { readonly type: "session"; readonly gapMs: number }
  | { readonly type: "day" }
  | { readonly type: "global" };

export interface Shape {
  readonly kind: Kind;
  readonly order: "log" | "event-time";
  readonly emit: "final" | "end" | "change" | "none";
  readonly late: "drop" | "dead-letter" | "handle";
  readonly graceMs: number;
  readonly disorderMs: number;
  readonly throttleMs?: number;
  readonly keepMs?: number;
}

export interface Result {
  readonly count: number;
  readonly n: { readonly sum: number; readonly min: number | null; readonly max: number | null };
  /** The ids in the order of their puts: what a fold sees. */
  readonly ids: string;
  readonly latest: string | null;
  readonly shops: number;
  readonly best: readonly { readonly item: string; readonly by: number }[];
}

export type Emitted =
  | {
      readonly what: "window";
      readonly key: string;
      readonly start: number;
      readonly end: number;
      readonly result: Result;
      readonly previous: Result | null;
      readonly revision: number;
      readonly final: boolean;
    }
  | { readonly what: "late"; readonly key: string; readonly start: number; readonly end: number; readonly n: number }
  | { readonly what: "current"; readonly key: string; readonly result: Result | null };

export const shopOf = (n: number): string => `s${Math.abs(Math.round(n)) % 4}`;

export interface Item {
  readonly id: string;
  readonly at: number;
  readonly n: number;
  readonly put: number;
}

export interface Open {
  readonly key: string;
  readonly start: number;
  end: number;
  items: Item[];
  changed: boolean;
  emitted: Result | null;
  revision: number;
  mark: number;
}

const far = 8.64e15;

/** What handlers of windows and of late contributions do in turn. */
export type Feedback = (what: "window" | "late", start: number, end: number, revision: number) => readonly Op[];

export class ItemModel {
  readonly out: Emitted[] = [];
  deadLetters = 0;
  lateRecords = 0;
  unknown = 0;
  protected readonly shape: Shape;
  protected windows: Open[] = [];
  private held: Event[] = [];
  private streamTime = Number.NEGATIVE_INFINITY;
  protected watermark = Number.NEGATIVE_INFINITY;
  protected puts = 0;

  protected readonly feedback: Feedback;

  constructor(shape: Shape, feedback: Feedback = () => []) {
    this.shape = shape;
    this.feedback = feedback;
  }

  take(event: Event): void {
    this.streamTime = Math.max(this.streamTime, event.at);
    const target = this.streamTime - this.shape.disorderMs;
    if (this.shape.order === "log") {
      this.moveTo(target);
      this.handle(event);
      this.settle();
      return;
    }
    if (event.at < this.watermark) {
      this.handle(event);
      this.settle();
      return;
    }
    this.held.push(event);
    for (;;) {
      const [next] = this.held.toSorted((a, b) => a.at - b.at);
      if (next === undefined || next.at > target) break;
      this.held = this.held.filter((e) => e !== next);
      this.moveTo(next.at);
      this.handle(next);
      this.settle();
    }
    this.moveTo(target);
  }

  private moveTo(watermark: number): void {
    if (this.shape.order === "log") this.watermark = watermark;
    this.settle(watermark);
    this.watermark = watermark;
  }

  /** Everything that can be read of a key: [start, end, result], by start. */
  readable(key: string): [number, number, Result][] {
    return this.windows
      .filter((w) => w.key === key && this.canBeRead(w))
      .sort((a, b) => a.start - b.start)
      .map((w) => [w.start, w.end, resultOf(w.items)]);
  }

  protected canBeRead(w: Open): boolean {
    return w.items.length > 0 && this.watermark < this.close(w) + (this.shape.keepMs ?? 0);
  }

  private close(w: { end: number }): number {
    return this.shape.kind.type === "global" ? Number.POSITIVE_INFINITY : w.end + this.shape.graceMs;
  }

  protected isOpen(w: { end: number }): boolean {
    return this.close(w) > this.watermark;
  }

  protected due(w: Open): number {
    const { emit, throttleMs } = this.shape;
    const never = Number.POSITIVE_INFINITY;
    if (emit === "none" || !w.changed) return never;
    if (w.items.length === 0 && (w.emitted === null || w.emitted.count === 0)) return never;
    if (emit === "final") return w.revision > 0 ? never : this.close(w);
    const notBefore = throttleMs === undefined ? Number.NEGATIVE_INFINITY : w.mark + throttleMs;
    return Math.min(this.close(w), emit === "end" ? Math.max(w.end, notBefore) : notBefore);
  }

  /** With `order: "event-time"` the watermark goes from one time at which something is due to the next. */
  protected settle(until = this.watermark): void {
    for (;;) {
      const [first] = this.windows
        .map((w) => ({ w, due: this.due(w) }))
        .filter(({ due }) => due <= until)
        .sort((a, b) => a.due - b.due || (a.w.key < b.w.key ? -1 : a.w.key > b.w.key ? 1 : a.w.start - b.w.start));
      if (first === undefined) return;
      this.watermark = Math.max(this.watermark, first.due);
      this.emit(first.w);
    }
  }

  protected emit(w: Open): void {
    const result = resultOf(w.items);
    const { key, start, end } = w;
    this.out.push({ what: "window", key, start, end, result, previous: w.emitted, revision: ++w.revision, final: !this.isOpen(w) });
    w.emitted = result;
    w.changed = false;
    w.mark = this.watermark;
    for (const op of this.feedback("window", start, end, w.revision)) this.apply(key, op, new Set());
    this.tellOfVanished();
  }

  private handle({ key, ops, readAt, throws }: Event): void {
    if (throws) return;
    const changed = new Set<Open>();
    for (const op of ops) this.apply(key, op, changed);
    this.out.push({ what: "current", key, result: this.current(key, readAt) });
    this.tellOfVanished();
    if (this.shape.emit !== "change") return;
    for (const w of [...changed].sort((a, b) => a.start - b.start)) if (this.due(w) <= this.watermark) this.emit(w);
  }

  /** Before what has changed: what is given as it was. */
  protected tellOfVanished(): void {}

  protected apply(key: string, { op, id, at, n }: Op, changed: Set<Open>): void {
    const open = this.windows.filter((w) => w.key === key && this.isOpen(w) && w.items.some((item) => item.id === id));
    const before = open[0]?.items.find((item) => item.id === id);
    if (op === "put" && before !== undefined && before.at === at && before.n === n) return;
    const missed = op === "put" ? boundsOf(this.shape.kind, at).filter(([, end]) => !this.isOpen({ end })) : [];
    if (op === "put" && before !== undefined)
      for (const w of this.windows.filter((one) => one.items.includes(before)))
        if (!this.isOpen(w) && !missed.some(([start]) => start === w.start)) missed.push([w.start, w.end]);
    missed.sort(([a], [b]) => a - b);
    this.exchange(key, open, op === "put" ? { id, at, n, put: this.puts++ } : undefined, id, changed);
    if (op === "remove" && open.length === 0) this.unknown++;
    if (missed.length === 0) return;
    this.missed(key, missed, n, changed);
  }

  protected missed(key: string, missed: readonly [number, number][], n: number, changed: Set<Open>): void {
    this.lateRecords++;
    if (this.shape.late === "dead-letter") this.deadLetters++;
    if (this.shape.late !== "handle") return;
    for (const [start, end] of missed) {
      this.out.push({ what: "late", key, start, end, n });
      for (const more of this.feedback("late", start, end, 0)) this.apply(key, more, changed);
    }
  }

  private exchange(key: string, open: readonly Open[], item: Item | undefined, id: string, changed: Set<Open>): void {
    for (const w of open) {
      w.items = w.items.filter((item) => item.id !== id);
      w.changed = true;
      changed.add(w);
    }
    if (item === undefined) return;
    for (const [start, end] of boundsOf(this.shape.kind, item.at)) {
      if (!this.isOpen({ end })) continue;
      let w = this.windows.find((one) => one.key === key && one.start === start);
      if (w === undefined) {
        w = { key, start, end, items: [], changed: false, emitted: null, revision: 0, mark: Number.NEGATIVE_INFINITY };
        this.windows.push(w);
      }
      w.items.push(item);
      w.changed = true;
      changed.add(w);
    }
  }

  protected current(key: string, at: number): Result | null {
    const { kind } = this.shape;
    const holding = this.windows.filter((w) => w.key === key && w.start <= at && at < w.end && this.canBeRead(w));
    const found =
      kind.type === "rolling"
        ? holding.find((w) => w.end - at <= kind.stepMs)
        : kind.type === "hopping"
          ? holding.find((w) => at - w.start < kind.everyMs)
          : holding[0];
    return found === undefined ? null : resultOf(found.items);
  }
}

export function resultOf(given: readonly Item[]): Result {
  const items = given.toSorted((a, b) => a.put - b.put);
  const sums = new Map<string, number>();
  let sum = 0;
  let latest: Item | undefined;
  for (const item of items) {
    sum += item.n;
    sums.set(shopOf(item.n), (sums.get(shopOf(item.n)) ?? 0) + item.n);
    if (latest === undefined || item.at >= latest.at) latest = item;
  }
  return {
    count: items.length,
    n: {
      sum,
      min: items.length === 0 ? null : Math.min(...items.map((i) => i.n)),
      max: items.length === 0 ? null : Math.max(...items.map((i) => i.n)),
    },
    ids: items.map((i) => i.id).join(""),
    latest: latest?.id ?? null,
    shops: sums.size,
    best: [...sums]
      .map(([item, by]) => ({ item, by }))
      .sort((a, b) => b.by - a.by || (a.item < b.item ? -1 : 1))
      .slice(0, 2),
  };
}

function boundsOf(kind: Kind, at: number): [number, number][] {
  if (kind.type === "global") return [[-far, far]];
  if (kind.type === "session") throw new Error("the bounds of a session follow from its items");
  const [sizeMs, everyMs] =
    kind.type === "day"
      ? [86_400_000, 86_400_000]
      : [kind.sizeMs, kind.type === "hopping" ? kind.everyMs : kind.type === "rolling" ? kind.stepMs : kind.sizeMs];
  const out: [number, number][] = [];
  const middle = Math.round(at / everyMs);
  for (let k = middle - Math.ceil(sizeMs / everyMs) - 2; k <= middle + Math.ceil(sizeMs / everyMs) + 2; k++)
    if (k * everyMs <= at && at < k * everyMs + sizeMs) out.push([k === 0 ? 0 : k * everyMs, k * everyMs + sizeMs]);
  return out;
}
