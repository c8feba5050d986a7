import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import type { ControllerClient } from "@reprise/controller";
import type { StateQuery } from "@reprise/engine";
import { type ErrorCode, errorTable, RepriseError } from "@reprise/schema";
import type { StateRow, TaskState } from "./task-state.ts";

interface Head {
  readonly n: number;
  readonly position: { readonly [topic: string]: number };
}

/**
 * The committed state of a task, from the worker that runs it.
 * @throws RepriseError DEPLOYMENT_UNKNOWN · NOT_SERVING · STATE_UNKNOWN · INVALID_ARGUMENT
 */
export async function liveState(client: ControllerClient, deployment: string, task: number, query: StateQuery): Promise<TaskState> {
  const { deployments } = await client.status();
  const status = deployments.find(({ id }) => id === deployment);
  if (status === undefined)
    throw new RepriseError("DEPLOYMENT_UNKNOWN", `There is no deployment ${deployment}.`, { details: { deployment } });
  const worker = status.workers.find(({ tasks }) => tasks.includes(task));
  if (worker === undefined) {
    throw new RepriseError("NOT_SERVING", `No worker has task ${task} of ${deployment}; read ${deployment}@checkpoint instead.`, {
      details: { deployment, task },
    });
  }
  const search = new URLSearchParams(Object.entries(query).filter((pair): pair is [string, string] => pair[1] !== undefined)).toString();
  const url = `${worker.url}/state/${task}${search === "" ? "" : `?${search}`}`;
  const response = await fetch(url).catch((cause: unknown) => {
    throw new RepriseError("NOT_SERVING", `The worker of task ${task} of ${deployment} does not answer at ${worker.url}.`, {
      cause,
      details: { url },
    });
  });
  if (!response.ok || response.body === null) throw await answeredError(response, url);
  const lines = createInterface({ input: Readable.fromWeb(response.body), crlfDelay: Number.POSITIVE_INFINITY })[Symbol.asyncIterator]();
  const first = await lines.next();
  if (first.done === true) throw cutShort(deployment, task);
  const { n, position } = JSON.parse(first.value) as Head;
  return { task, how: "live", n, position, rows: rowsOf(lines, deployment, task), close: async () => void (await lines.return?.()) };
}

async function* rowsOf(lines: AsyncIterator<string>, deployment: string, task: number): AsyncGenerator<StateRow> {
  for (let count = 0; ; count++) {
    const next = await lines.next().catch((cause: unknown) => {
      throw cutShort(deployment, task, cause);
    });
    if (next.done === true) throw cutShort(deployment, task);
    const row = JSON.parse(next.value) as StateRow & { readonly rows?: number };
    if (row.rows === undefined) yield { ...row, task };
    else if (row.rows === count) return;
    else throw cutShort(deployment, task);
  }
}

/** It was given away or has failed while it was read. */
const cutShort = (deployment: string, task: number, cause?: unknown): RepriseError =>
  new RepriseError("NOT_SERVING", `The worker stopped to tell the state of task ${task} of ${deployment} before its end.`, {
    cause,
    details: { deployment, task },
  });

async function answeredError(response: Response, url: string): Promise<RepriseError> {
  const { error } = (await response.json().catch(() => ({}))) as { readonly error?: { readonly code: string; readonly message: string } };
  const code = error !== undefined && Object.hasOwn(errorTable, error.code) ? (error.code as ErrorCode) : "NOT_SERVING";
  return new RepriseError(code, error?.message ?? `${url} answered ${response.status}.`, { details: { url } });
}
