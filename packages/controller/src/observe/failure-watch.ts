import type { DeploymentEntry, WorkerAnnouncement } from "@reprise/engine";

/** All tasks must have run without a failure for this long before a failure counts as over: restarts into the same failure are no recovery. */
export const recoveryMs = 5_000;

interface Watched {
  healthySinceMs: number | undefined;
}

/** Turns what workers announce into 'failed' and 'recovered' without flapping. */
export class FailureWatch {
  readonly #watched = new Map<string, Watched>();

  /** Of one deployment, at one time: the failure to show, and whether a former one is over. */
  assess(
    entry: DeploymentEntry,
    workers: readonly WorkerAnnouncement[],
    nowMs: number,
  ): { readonly failure?: string; readonly recovered: boolean } {
    const failure = firstFailure(workers);
    const tasks = new Set(workers.flatMap((worker) => worker.tasks));
    const healthy = failure === undefined && tasks.size === (entry.spec.inputs[0]?.partitions ?? 0);
    const watched = this.#watched.get(entry.spec.id) ?? { healthySinceMs: undefined };
    this.#watched.set(entry.spec.id, watched);
    if (!healthy) watched.healthySinceMs = undefined;
    else watched.healthySinceMs ??= nowMs;
    const recovered = watched.healthySinceMs !== undefined && nowMs - watched.healthySinceMs >= recoveryMs;
    return failure === undefined ? { recovered } : { failure, recovered };
  }
}

function firstFailure(workers: readonly WorkerAnnouncement[]): string | undefined {
  for (const worker of workers) {
    const [first] = worker.failures;
    if (first !== undefined) return `${first.code}: task ${first.partition}: ${first.message}`;
  }
  return undefined;
}
