import fastify, { type FastifyInstance, type FastifyRequest } from "fastify";
import { RepriseError } from "@reprise/schema";
import type { Commands } from "../commands.ts";
import type { ControllerContext } from "../controller-context.ts";
import type { ControllerMetrics } from "../controller-metrics.ts";
import type { QueryGateway } from "../gateway/query-gateway.ts";
import { errorAnswer } from "./error-answer.ts";
import { desiredWorkersOf, statusOf } from "./status-view.ts";
import type { CommandOptions, CutoverRequest, DeployRequest } from "./status.ts";

export interface ServerParts {
  readonly context: ControllerContext;
  readonly commands: Commands;
  readonly gateway: QueryGateway;
  readonly metrics: ControllerMetrics;
  /** Why this controller can never lead again; undefined while it can. */
  readonly fatal: () => unknown;
  readonly stabilityMs: number;
  /** Known once it listens. */
  readonly url: () => string;
}

/** Manifests are some kilobytes; anything near this is no request of ours. */
const bodyLimitBytes = 4 * 1_048_576;

/** The HTTP API. Every refusal is `{"error":{code,message,action,details}}`. */
export function createServer(parts: ServerParts): FastifyInstance {
  const app = fastify({ bodyLimit: bodyLimitBytes, routerOptions: { maxParamLength: 4_096 }, forceCloseConnections: true });
  app.setErrorHandler(async (error, _request, reply) => {
    const { status, body } = errorAnswer(error);
    if (body.error.code === "INTERNAL") parts.context.logger.error({ err: error }, "a request failed");
    return reply.code(status).send(body);
  });
  app.setNotFoundHandler(async (request, reply) => {
    const message = `There is nothing at ${request.method} ${request.url}.`;
    return reply.code(404).send({ error: { code: "INVALID_ARGUMENT", message, action: "See the guide of the HTTP API.", details: {} } });
  });
  operations(app, parts);
  commandRoutes(app, parts);
  return app;
}

function operations(app: FastifyInstance, { context, gateway, metrics, fatal, stabilityMs, url }: ServerParts): void {
  app.get("/healthz", async (_request, reply) => {
    const error = fatal();
    const { leading } = context;
    if (error === undefined) return { status: "ok", leading, pid: process.pid, revision: context.state.revision };
    return reply.code(503).send({ status: "failed", leading, ...errorAnswer(error).body });
  });
  app.get("/metrics", async (_request, reply) => {
    return reply.header("content-type", metrics.contentType).send(await metrics.render());
  });
  app.get("/status", async () => {
    context.requireLead();
    return statusOf(context, { url: url(), stabilityMs });
  });
  app.get<{ Params: { id: string } }>("/deployments/:id/workers", async ({ params: { id } }) => {
    context.requireLead();
    const entry = context.state.deployments.get(id);
    if (entry === undefined)
      throw new RepriseError("DEPLOYMENT_UNKNOWN", `There is no deployment '${id}'.`, { details: { deployment: id } });
    return desiredWorkersOf(entry);
  });
  app.get<{ Params: { processor: string; view: string; key: string } }>(
    "/processors/:processor/views/:view/:key",
    async (request, reply) => {
      const at = request.url.indexOf("?");
      const { status, body } = await gateway.answer({ ...request.params, search: at < 0 ? "" : request.url.slice(at) });
      return reply.code(status).send(body);
    },
  );
}

function commandRoutes(app: FastifyInstance, { commands, metrics }: ServerParts): void {
  app.post<{ Body: unknown }>("/deployments", async (request, reply) => {
    const body = bodyOf(request) as unknown as DeployRequest;
    return reply.code(201).send(await commands.deploy(body, optionsOf(request)));
  });
  for (const kind of ["cutover", "rollback"] as const) {
    app.post<{ Params: { processor: string } }>(`/processors/:processor/${kind}`, async (request, reply) => {
      const { processor } = request.params;
      try {
        return await reply.code(202).send(await commands.cutover(processor, kind, cutoverRequest(request), optionsOf(request)));
      } catch (error) {
        if (RepriseError.is(error)) metrics.refused(processor, error.code);
        throw error;
      }
    });
  }
  app.post<{ Params: { id: string } }>("/deployments/:id/retire", async (request, reply) => {
    return reply.code(202).send(await commands.retire(request.params.id, optionsOf(request)));
  });
}

type Body = { readonly [field: string]: unknown };

function bodyOf({ body }: FastifyRequest): Body {
  if (body === undefined || body === null) return {};
  if (typeof body === "object" && !Array.isArray(body)) return body as Body;
  throw new RepriseError("INVALID_ARGUMENT", "The body must be a JSON object.");
}

function cutoverRequest(request: FastifyRequest): CutoverRequest {
  const { to, force } = bodyOf(request);
  if (to !== undefined && typeof to !== "string" && typeof to !== "number") throw invalid("to", "a deployment id or a version");
  if (force !== undefined && !(Array.isArray(force) && force.every((name) => typeof name === "string")))
    throw invalid("force", "a list of names");
  return { ...(to === undefined ? {} : { to }), ...(force === undefined ? {} : { force: force as string[] }) };
}

function optionsOf(request: FastifyRequest): CommandOptions {
  const { by, expectedRevision } = bodyOf(request);
  const header = request.headers["idempotency-key"];
  const idempotencyKey = typeof header === "string" && header !== "" ? header : undefined;
  if (idempotencyKey !== undefined && idempotencyKey.length > 200) throw invalid("Idempotency-Key", "at most 200 characters");
  if (by !== undefined && typeof by !== "string") throw invalid("by", "a name");
  if (expectedRevision !== undefined && !Number.isInteger(expectedRevision)) throw invalid("expectedRevision", "a whole number");
  return {
    ...(by === undefined ? {} : { by }),
    ...(expectedRevision === undefined ? {} : { expectedRevision: expectedRevision as number }),
    ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
  };
}

function invalid(argument: string, expected: string): RepriseError {
  return new RepriseError("INVALID_ARGUMENT", `'${argument}' must be ${expected}.`, { details: { argument } });
}
