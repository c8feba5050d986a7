import { type ControlState, type DeploymentSpec, partitionForKey, type ViewAnswer, type WorkerAnnouncement } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";
import { setTimeout as sleep } from "node:timers/promises";
import { viewManifest } from "../deploy/manifest-view.ts";
import { AnswerGuard } from "./answer-guard.ts";
import { keyBytes } from "./key-bytes.ts";

export interface ViewQuery {
  readonly processor: string;
  readonly view: string;
  /** As it stood in the URL, decoded. */
  readonly key: string;
  /** With its question mark; handed on as it is. */
  readonly search: string;
}

/** What goes back to the asker: the worker's own answer, or its refusal. */
export interface GatewayAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface QueryGatewayOptions {
  readonly state: () => ControlState;
  /** How often the processor's serving deployment has changed. */
  readonly generation: (processor: string) => number;
  readonly workers: (deployment: string) => readonly WorkerAnnouncement[];
  /** Asks one worker; undefined when it can't be reached. Default: HTTP. */
  readonly ask?: (url: string) => Promise<GatewayAnswer | undefined>;
}

/** Two seconds: a worker that was fenced opens its tasks anew within that time. */
const attempts = 34;
const pauseMs = 60;
const workerTimeoutMs = 5_000;

/** Answers queries on views from the serving deployment, by way of the worker that owns the key. */
export class QueryGateway {
  readonly #options: QueryGatewayOptions;
  readonly #ask: (url: string) => Promise<GatewayAnswer | undefined>;
  readonly #guard = new AnswerGuard();

  constructor(options: QueryGatewayOptions) {
    this.#options = options;
    this.#ask = options.ask ?? askByHttp;
  }

  /**
   * Tries for about two seconds: tasks move between workers, and at a cutover between deployments.
   * @throws RepriseError PROCESSOR_UNKNOWN, VIEW_UNKNOWN, NOT_SERVING
   */
  async answer(query: ViewQuery): Promise<GatewayAnswer> {
    let partition: number | undefined;
    let why = "";
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (attempt > 0) await sleep(pauseMs);
      const spec = this.#serving(query);
      partition ??= partitionByKey(spec, query.key);
      const generation = this.#options.generation(query.processor);
      const worker = this.#owner(spec.id, partition, attempt);
      if (worker === undefined) {
        why = partition === undefined ? `no worker of ${spec.id} is there` : `no worker of ${spec.id} runs task ${partition}`;
        continue;
      }
      const answer = await this.#ask(
        `${worker.url}/views/${encodeURIComponent(query.view)}/${encodeURIComponent(query.key)}${query.search}`,
      );
      if (answer === undefined || answer.status >= 500) {
        why = `the worker at ${worker.url} did not answer`;
      } else if (answer.status === 421) {
        // Our guess was wrong, or there was none: the worker knows better.
        partition = partitionIn(answer.body) ?? partition;
        why = `the worker at ${worker.url} does not own the key`;
      } else if (!this.#isFresh(query.processor, generation, spec.id, answer)) {
        why = "the answers were older than one that was given before";
      } else {
        return answer;
      }
    }
    throw new RepriseError("NOT_SERVING", `'${query.processor}' can't answer now: ${why}.`, {
      details: { processor: query.processor, view: query.view },
    });
  }

  #serving({ processor: name, view }: ViewQuery): DeploymentSpec {
    const state = this.#options.state();
    const processor = state.processors.get(name);
    if (processor === undefined)
      throw new RepriseError("PROCESSOR_UNKNOWN", `There is no processor '${name}'.`, { details: { processor: name } });
    const spec = processor.serving === undefined ? undefined : state.deployments.get(processor.serving)?.spec;
    if (spec === undefined)
      throw new RepriseError("NOT_SERVING", `No deployment of '${name}' serves yet.`, { details: { processor: name } });
    const { views } = viewManifest(spec.manifest);
    if (!views.includes(view)) {
      const known = views.length === 0 ? "it has none" : `it has: ${views.join(", ")}`;
      throw new RepriseError("VIEW_UNKNOWN", `'${name}' has no view '${view}'; ${known}.`, {
        details: { processor: name, view, deployment: spec.id },
      });
    }
    return spec;
  }

  #owner(deployment: string, partition: number | undefined, attempt: number): WorkerAnnouncement | undefined {
    const workers = this.#options.workers(deployment);
    const owner = partition === undefined ? undefined : workers.find((worker) => worker.tasks.includes(partition));
    // Announcements lag behind: a worker that has opened the task a moment ago answers all the same, any other one names the task.
    return owner ?? workers[attempt % Math.max(1, workers.length)];
  }

  #isFresh(processor: string, generation: number, deployment: string, answer: GatewayAnswer): boolean {
    // A refusal says nothing of a position; a row that is missing may do so.
    const body = answer.body as Partial<ViewAnswer> | null;
    if (body === null || typeof body !== "object" || body.task === undefined || body.n === undefined) return true;
    if (body.deployment !== deployment) return false;
    return this.#guard.accept(processor, generation, body as ViewAnswer) === "fresh";
  }
}

function partitionByKey(spec: DeploymentSpec, key: string): number | undefined {
  const bytes = keyBytes(viewManifest(spec.manifest).key, key);
  const partitions = spec.inputs[0]?.partitions;
  return bytes === undefined || partitions === undefined ? undefined : partitionForKey(bytes, partitions);
}

function partitionIn(body: unknown): number | undefined {
  const { partition, error } = (body ?? {}) as { partition?: unknown; error?: { partition?: unknown; details?: { partition?: unknown } } };
  return [partition, error?.partition, error?.details?.partition].find((found): found is number => typeof found === "number");
}

async function askByHttp(url: string): Promise<GatewayAnswer | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(workerTimeoutMs) });
    return { status: response.status, body: await response.json() };
  } catch {
    return undefined;
  }
}
