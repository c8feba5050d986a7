/** First pause after a session that ended by itself, and the longest: a twin that fences us again must not be fought. */
const firstMs = 100;
const longestMs = 30_000;
/** A session that lived this long was a good one: the next failure starts from the beginning. */
const goodAfterMs = 60_000;

/** How long to wait before the next session. */
export class RestartPolicy {
  private failures = 0;

  /** `expected`: the control log explains the end (a cutover): no pause. */
  delayAfter(livedMs: number, expected: boolean): number {
    if (livedMs >= goodAfterMs || expected) this.failures = 0;
    if (expected) return 0;
    return Math.min(longestMs, firstMs * 2 ** this.failures++);
  }
}
