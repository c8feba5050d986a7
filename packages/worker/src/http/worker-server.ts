import {
  type CompiledProcessor,
  keyBytesOf,
  partitionForKey,
  readView,
  type Session,
  type StateQuery,
  type ViewAnswer,
  type ViewQuery,
  viewOf,
} from "@reprise/engine";
import type { Metrics } from "@reprise/metrics";
import { type ErrorCode, RepriseError } from "@reprise/schema";
import Fastify, { type FastifyInstance, type FastifyReply } from "fastify";
import type { WorkerMetrics } from "../worker-metrics.ts";
import { stateLines } from "./state-rows.ts";

export interface WorkerServerOptions {
  readonly host: string;
  readonly port: number;
  readonly deployment: string;
  readonly processor: CompiledProcessor;
  readonly partitions: number;
  readonly stateEngine: string;
  readonly metrics: Metrics;
  readonly workerMetrics: WorkerMetrics;
  /** The session that runs now. */
  readonly session: () => Session | undefined;
  /** Whether the worker's tasks can be trusted to be the decided ones: see `Trust`. */
  readonly mayAnswer: () => boolean;
}

const statusOf: { readonly [code in ErrorCode]?: number } = {
  VIEW_UNKNOWN: 404,
  STATE_UNKNOWN: 404,
  INVALID_ARGUMENT: 400,
  NOT_SERVING: 503,
};

/** `GET /healthz`, `/metrics`, `/views/:view/:key` and `/state/:task` of a worker. Listens when it resolves. */
export async function startWorkerServer(options: WorkerServerOptions): Promise<{ readonly url: string; close(): Promise<void> }> {
  const app = Fastify({ logger: false, forceCloseConnections: true });
  app.setErrorHandler((error, _request, reply) => sendError(reply, error));
  addHealth(app, options);
  addViews(app, options);
  addState(app, options);
  await app.listen({ host: options.host, port: options.port });
  const address = app.server.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;
  return { url: `http://${options.host}:${port}`, close: () => app.close() };
}

function addHealth(app: FastifyInstance, options: WorkerServerOptions): void {
  app.get("/healthz", async (_request, reply) => {
    const failures = [...options.workerMetrics.failures.values()];
    const session = options.session();
    const ok = failures.length === 0 && session !== undefined;
    return reply.code(ok ? 200 : 503).send({
      ok,
      deployment: options.deployment,
      stateEngine: options.stateEngine,
      tasks: [...(session?.tasks.values() ?? [])].map(({ task }) => ({
        partition: task.partition,
        mode: task.meta.mode,
        n: task.meta.n,
        publishing: task.publishing,
        position: task.position,
        late: task.late,
      })),
      opening: session?.opening ?? [],
      failures,
    });
  });
  app.get("/metrics", async (_request, reply) =>
    reply.header("content-type", options.metrics.contentType).send(await options.metrics.render()),
  );
}

function addViews(app: FastifyInstance, options: WorkerServerOptions): void {
  app.get<{ Params: { view: string; key: string }; Querystring: ViewQuery }>("/views/:view/:key", async (request, reply) => {
    const { view: name, key: text } = request.params;
    const started = performance.now();
    const outcome = answer(options, name, text, request.query, reply);
    options.metrics.counter("reprise_queries_total").inc({ view: name, outcome: outcome.label });
    options.metrics.histogram("reprise_query_duration_seconds").observe({ view: name }, (performance.now() - started) / 1000);
    return outcome.reply;
  });
}

/** All that a task has committed, views or not: for operators. */
function addState(app: FastifyInstance, options: WorkerServerOptions): void {
  app.get<{ Params: { task: string }; Querystring: StateQuery }>("/state/:task", async (request, reply) => {
    const partition = Number(request.params.task);
    const running = options.session()?.tasks.get(partition);
    if (running === undefined) return sendElsewhere(options, partition, reply);
    checkMayAnswer(options);
    return reply.header("content-type", "application/x-ndjson").send(stateLines(options.processor, running, request.query));
  });
}

function sendElsewhere({ deployment }: WorkerServerOptions, partition: number, reply: FastifyReply): FastifyReply {
  const message = `task ${partition} of ${deployment} is not here`;
  return reply.code(421).send({
    partition,
    error: { code: "NOT_SERVING", message, action: "Ask the worker that runs the task.", details: { partition } },
  });
}

/** @throws RepriseError NOT_SERVING */
function checkMayAnswer({ deployment, mayAnswer }: WorkerServerOptions): void {
  if (!mayAnswer()) throw new RepriseError("NOT_SERVING", `the worker of ${deployment} could not read its commit records for 10 s`);
}

function answer(
  options: WorkerServerOptions,
  name: string,
  text: string,
  query: ViewQuery,
  reply: FastifyReply,
): { label: string; reply: FastifyReply } {
  try {
    const { processor } = options;
    const view = viewOf(processor, name);
    const key = keyBytesOf(processor, text);
    const partition = partitionForKey(key, options.partitions);
    const running = options.session()?.tasks.get(partition);
    if (running === undefined) return { label: "elsewhere", reply: sendElsewhere(options, partition, reply) };
    checkMayAnswer(options);
    const { meta } = running.task;
    const result = readView(running.task, view, key, query);
    const about: Omit<ViewAnswer, "value" | "entries" | "rows"> = {
      deployment: options.deployment,
      version: processor.version,
      task: partition,
      n: meta.n,
      position: meta.position,
    };
    if (result === undefined) {
      return {
        label: "none",
        reply: reply.code(404).send({
          ...about,
          error: { code: "NOT_FOUND", message: `${name} of ${processor.name} has no row for ${text}`, action: "", details: {} },
        }),
      };
    }
    const tail = JSON.stringify(about).slice(1);
    return {
      label: "ok",
      reply: reply.header("content-type", "application/json").send(`{${JSON.stringify(result.field)}:${result.json},${tail}`),
    };
  } catch (error) {
    return { label: RepriseError.is(error) ? error.code : "UNKNOWN", reply: sendError(reply, error) };
  }
}

function sendError(reply: FastifyReply, error: unknown): FastifyReply {
  if (RepriseError.is(error)) return reply.code(statusOf[error.code] ?? 500).send({ error });
  const message = error instanceof Error ? error.message : String(error);
  return reply.code(500).send({ error: { code: "WORKER_FAILED", message, action: "", details: {} } });
}
