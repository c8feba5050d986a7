import { RepriseError } from "@reprise/schema";
import type { Delta } from "../commit/delta.ts";
import { readDeltas } from "../commit/read-deltas.ts";
import { deltaTopicOf } from "../control/names.ts";
import { type Interrupted, Stopped } from "../internal/stopped.ts";
import type { TaskMeta } from "../task/task-meta.ts";
import type { SessionOptions } from "./session-options.ts";

/**
 * Deltas n + 1, n + 2, … of a task up to commit `to`, only whole, and only where 'digest before' is that of the one before it.
 * @param from what the task was at n
 * @param end next offset after all deltas up to `to`: what is not there below it is missing
 * @throws RepriseError DELTAS_LOST (one is missing, or does not follow) · INPUT_TRUNCATED · BATCH_CORRUPT; `Stopped` when `interrupted` says so
 */
export async function* deltaChain(
  options: SessionOptions,
  from: TaskMeta,
  to: number,
  end: number,
  interrupted: Interrupted,
): AsyncGenerator<Delta> {
  if (from.n >= to) return;
  const { systemReader, clock } = options;
  const topic = { topic: deltaTopicOf(options.spec.id), partition: from.partition };
  const lost = (what: string): RepriseError =>
    new RepriseError("DELTAS_LOST", what, { details: { deployment: options.spec.id, partition: from.partition } });
  let { n, digest } = from;
  const first = Math.max(from.deltaFrom, await options.offsets.earliest(topic));
  // The end of the partition is no reason to stop: only when all that was there below `end` was read is one missing.
  for await (const whole of readDeltas(systemReader, topic, first, end, interrupted, clock)) {
    if (whole.n <= n) continue;
    if (whole.n !== n + 1) throw lost(`delta ${n + 1} is missing, ${whole.n} follows`);
    if (whole.before !== digest) throw lost(`delta ${whole.n} follows the digest ${whole.before}, ours is ${digest}`);
    ({ n, digest } = whole.meta);
    yield whole;
    if (n === to) return;
    // Others run meanwhile: a log that answers at once must not keep them from it.
    await clock.nextTurn();
    if (interrupted()) throw new Stopped();
  }
  throw lost(`delta ${n + 1} is missing`);
}
