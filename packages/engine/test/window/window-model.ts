/** What windows give, the plain way: every window is the list of what it took, and everything is looked at for each record. */

export interface Event {
  readonly key: string;
  readonly at: number;
  readonly n: number;
}

export type Kind =
  | { readonly type: "tumbling"; readonly sizeMs: number }
  | { readonly type: "hopping"; readonly sizeMs: number; readonly everyMs: number }
  | { readonly type: "rolling"; readonly sizeMs: number; readonly stepMs: number }
  | { readonly type: "session"; readonly gapMs: number; readonly maxMs?: number }
  | { readonly type: "day" }
  | { readonly type: "global" };

export interface Shape {
  readonly kind: Kind;
  readonly emit: "final" | "end" | "change" | "none";
  readonly late: "drop" | "dead-letter" | "handle";
  readonly graceMs: number;
  readonly disorderMs: number;
  readonly throttleMs?: number;
  readonly keepMs?: number;
}

/** Count 0: what vanished. `previous`: the count that was emitted before, −1 for none. */
export interface Emitted {
  readonly what: "window" | "late" | "current";
  readonly key: string;
  readonly start: number;
  readonly end: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly last: number;
  readonly previous: number;
  readonly revision: number;
  readonly final: boolean;
}

interface Open {
  key: string;
  start: number;
  end: number;
  events: Event[];
  emitted: number;
  revision: number;
  mark: number;
}

const far = 8.64e15;

export class WindowModel {
  readonly out: Emitted[] = [];
  deadLetters = 0;
  late = { records: 0, fromMs: Number.POSITIVE_INFINITY, toMs: Number.NEGATIVE_INFINITY };
  private readonly shape: Shape;
  private windows: Open[] = [];
  private streamTime = Number.NEGATIVE_INFINITY;

  constructor(shape: Shape) {
    this.shape = shape;
  }

  private get watermark(): number {
    return this.streamTime - this.shape.disorderMs;
  }

  take(event: Event): void {
    this.streamTime = Math.max(this.streamTime, event.at);
    this.settle();
    this.handle(event);
    this.settle();
  }

  /** Everything that can be read of a key: [start, end, count], by start. */
  readable(key: string): [number, number, number][] {
    return this.windows
      .filter((w) => w.key === key && this.canBeRead(w))
      .sort((a, b) => a.start - b.start)
      .map((w) => [w.start, w.end, w.events.length]);
  }

  private canBeRead(w: Open): boolean {
    return this.watermark < this.close(w) + (this.shape.keepMs ?? 0);
  }

  private close(w: { end: number }): number {
    return this.shape.kind.type === "global" ? Number.POSITIVE_INFINITY : w.end + this.shape.graceMs;
  }

  private isOpen(w: { end: number }): boolean {
    return this.close(w) > this.watermark;
  }

  private due(w: Open): number {
    const { emit, throttleMs } = this.shape;
    if (emit === "none" || w.emitted === w.events.length || (emit === "final" && w.revision > 0)) return Number.POSITIVE_INFINITY;
    if (emit === "final") return this.close(w);
    const notBefore = throttleMs === undefined ? Number.NEGATIVE_INFINITY : w.mark + throttleMs;
    return Math.min(this.close(w), emit === "end" ? Math.max(w.end, notBefore) : notBefore);
  }

  private settle(): void {
    for (;;) {
      const [first] = this.windows
        .map((w) => ({ w, due: this.due(w) }))
        .filter(({ due }) => due <= this.watermark)
        .sort((a, b) => a.due - b.due || (a.w.key < b.w.key ? -1 : a.w.key > b.w.key ? 1 : a.w.start - b.w.start));
      if (first === undefined) return;
      this.emit(first.w);
    }
  }

  private emit(w: Open): void {
    this.out.push({
      ...{ what: "window", key: w.key, start: w.start, end: w.end },
      ...summary(w.events),
      ...{ previous: w.emitted === 0 ? -1 : w.emitted, revision: ++w.revision, final: !this.isOpen(w) },
    });
    w.emitted = w.events.length;
    w.mark = this.watermark;
  }

  private handle(event: Event): void {
    const { late, emit } = this.shape;
    let wasLate = false;
    const changed: Open[] = [];
    const vanishing: Emitted[] = [];
    const isLate = (start: number, end: number): void => {
      wasLate = true;
      if (late === "handle") this.out.push({ ...blank, what: "late", key: event.key, start, end, ...summary([event]) });
    };
    if (this.shape.kind.type === "session") this.toSession(event, isLate, changed, vanishing);
    else
      for (const [start, end] of boundsOf(this.shape.kind, event.at)) {
        if (!this.isOpen({ end })) {
          isLate(start, end);
          continue;
        }
        let w = this.windows.find((one) => one.key === event.key && one.start === start);
        if (w === undefined) {
          w = { key: event.key, start, end, events: [], emitted: 0, revision: 0, mark: Number.NEGATIVE_INFINITY };
          this.windows.push(w);
        }
        w.events.push(event);
        changed.push(w);
      }
    if (wasLate) {
      this.late = {
        records: this.late.records + 1,
        fromMs: Math.min(this.late.fromMs, event.at),
        toMs: Math.max(this.late.toMs, event.at),
      };
      if (late === "dead-letter") this.deadLetters++;
    }
    this.out.push({ ...blank, what: "current", key: event.key, count: this.current(event) });
    this.out.push(...vanishing);
    if (emit === "change") for (const w of changed) if (this.due(w) <= this.watermark) this.emit(w);
  }

  private current({ key, at }: Event): number {
    const { kind } = this.shape;
    const holding = this.windows.filter((w) => w.key === key && w.start <= at && at < w.end && this.canBeRead(w));
    holding.sort((a, b) => b.start - a.start);
    if (kind.type === "rolling") return holding.find((w) => w.end - at <= kind.stepMs)?.events.length ?? -1;
    if (kind.type === "hopping") return holding.find((w) => at - w.start < kind.everyMs)?.events.length ?? -1;
    return holding[0]?.events.length ?? -1;
  }

  private toSession(event: Event, isLate: (start: number, end: number) => void, changed: Open[], vanishing: Emitted[]): void {
    const { kind, emit } = this.shape;
    if (kind.type !== "session") throw new Error("no session");
    const { gapMs, maxMs = Number.POSITIVE_INFINITY } = kind;
    const { key, at } = event;
    const distance = (w: Open): number => Math.min(...span(w).map((t) => Math.abs(t - at)));
    const near = this.windows.filter((w) => w.key === key && this.isOpen(w) && distance(w) <= gapMs);
    near.sort((a, b) => distance(a) - distance(b) || a.start - b.start);
    let times = [at];
    const joined: Open[] = [];
    for (const w of near) {
      const all = [...times, ...w.events.map((e) => e.at)];
      if (Math.max(...all) - Math.min(...all) > maxMs) continue;
      times = all;
      joined.push(w);
    }
    const start = Math.min(...times);
    const end = Math.max(...times) + gapMs;
    if (!this.isOpen({ end })) return isLate(start, end);
    const vanished = joined.filter((w) => w.start !== start).sort((a, b) => a.start - b.start);
    if (emit === "end" || emit === "change")
      for (const w of vanished)
        if (w.emitted > 0)
          vanishing.push({
            ...blank,
            what: "window",
            key,
            start: w.start,
            end: w.end,
            previous: w.emitted,
            revision: w.revision + 1,
            final: true,
          });
    const same = joined.find((w) => w.start === start);
    const events = [...joined.flatMap((w) => w.events), event];
    this.windows = this.windows.filter((w) => !joined.includes(w) && !(w.key === key && w.start === start));
    const w: Open = {
      ...(same ?? { key, start, emitted: 0, revision: 0, mark: Number.NEGATIVE_INFINITY }),
      end,
      events,
    };
    this.windows.push(w);
    changed.push(w);
  }
}

const blank: Emitted = {
  what: "current",
  key: "",
  start: 0,
  end: 0,
  count: 0,
  sum: 0,
  min: 0,
  last: 0,
  previous: -1,
  revision: 0,
  final: false,
};

function summary(events: readonly Event[]): { count: number; sum: number; min: number; last: number } {
  let last = Number.NEGATIVE_INFINITY;
  for (const { at } of events) last = Math.max(last, at);
  return { count: events.length, sum: events.reduce((total, e) => total + e.n, 0), min: Math.min(...events.map((e) => e.n)), last };
}

/** Whole milliseconds, so that all of them can be looked at. */
function span(w: Open): number[] {
  const out: number[] = [];
  const times = w.events.map((e) => e.at);
  for (let t = Math.min(...times); t <= Math.max(...times); t++) out.push(t);
  return out;
}

function boundsOf(kind: Exclude<Kind, { type: "session" }>, at: number): [number, number][] {
  if (kind.type === "global") return [[-far, far]];
  const [sizeMs, everyMs] =
    kind.type === "day"
      ? [86_400_000, 86_400_000]
      : [kind.sizeMs, kind.type === "hopping" ? kind.everyMs : kind.type === "rolling" ? kind.stepMs : kind.sizeMs];
  const out: [number, number][] = [];
  const middle = Math.round(at / everyMs);
  for (let k = middle - Math.ceil(sizeMs / everyMs) - 2; k <= middle + Math.ceil(sizeMs / everyMs) + 2; k++) {
    // A rolling window ends at a multiple of its step; as its size is one too, it also begins at one.
    if (k * everyMs <= at && at < k * everyMs + sizeMs) out.push([k === 0 ? 0 : k * everyMs, k * everyMs + sizeMs]);
  }
  return out;
}
