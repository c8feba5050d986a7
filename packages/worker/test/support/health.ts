import type { LocalWorker } from "./lab.ts";
import { until } from "./until.ts";

export interface TaskFailure {
  readonly partition: number;
  readonly code: string;
  readonly message: string;
}

export interface Health {
  readonly status: number;
  readonly ok: boolean;
  readonly tasks: readonly { readonly partition: number }[];
  readonly opening: readonly number[];
  readonly failures: readonly TaskFailure[];
}

export async function healthOf({ worker }: Pick<LocalWorker, "worker">): Promise<Health> {
  const answer = await fetch(`${worker.url}/healthz`);
  return { ...((await answer.json()) as Omit<Health, "status">), status: answer.status };
}

/** What the worker says of tasks that stopped, once it is so many, by partition. */
export function failuresOf(local: Pick<LocalWorker, "worker">, count: number): Promise<readonly TaskFailure[]> {
  return until(`${count} tasks that stopped`, async () => {
    const { failures } = await healthOf(local);
    return failures.length >= count ? failures.toSorted((a, b) => a.partition - b.partition) : undefined;
  });
}
