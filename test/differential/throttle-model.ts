/** An emission as it would be without a throttle, and, after, as it is with one. */
export interface Throttled {
  readonly cs: number;
  readonly win: number;
  readonly key: string;
  readonly start: number;
  readonly stop: number;
  readonly grace: number;
  readonly throttle: number;
  /** The record at which, before (0) or after (2) its handler. */
  readonly cause: number;
  readonly phase: number;
  readonly due: number;
  /** The last record whose contributions count. */
  readonly upto: number;
}

/**
 * The emissions of one window of one key, in order, with its throttle: after one at watermark w the next is when the watermark reaches
 * w + throttle or the window closes, with all changes until then.
 * @param steps (watermark, first record that has it), rising
 * @param byTime windows are emitted when they end
 * @param inTimeOrder what is due fires with its own time as the watermark
 */
export function throttled(
  all: readonly Throttled[],
  steps: readonly (readonly [watermarkMs: number, seq: number])[],
  watermarkAt: (seq: number) => number,
  inTimeOrder: boolean,
  byTime: boolean,
): Throttled[] {
  const out: Throttled[] = [];
  let lastMs: number | undefined;
  let held: Throttled | undefined;
  const release = (before: number): void => {
    if (held === undefined || lastMs === undefined) return;
    const due = Math.min(lastMs + held.throttle, held.stop + held.grace);
    const reached = steps.find(([watermarkMs, seq]) => watermarkMs >= due && seq > (held as Throttled).cause);
    if (reached === undefined || reached[1] > before) return;
    out.push({ ...held, cause: reached[1], phase: 0, due });
    lastMs = inTimeOrder ? due : reached[0];
    held = undefined;
  };
  for (const one of all) {
    release(one.cause);
    const nowMs = watermarkAt(one.cause);
    if (lastMs === undefined || nowMs >= lastMs + one.throttle) {
      // With "change", what a handler changed comes by start; with "end" it is due when it may be.
      out.push(byTime && lastMs !== undefined ? { ...one, due: Math.max(one.due, lastMs + one.throttle) } : one);
      lastMs = inTimeOrder && one.phase === 0 ? one.due : nowMs;
      held = undefined;
    } else held = one;
  }
  release(Number.POSITIVE_INFINITY);
  return out;
}
