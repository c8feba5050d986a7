import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ViewAnswer } from "@reprise/engine";
import { type ErrorCode, type ErrorDetails, errorTable, RepriseError } from "@reprise/schema";
import type {
  CommandOptions,
  CutoverAnswer,
  CutoverRequest,
  DeployAnswer,
  DeployRequest,
  DesiredWorkers,
  RetireAnswer,
  Status,
} from "../http/status.ts";

export interface ControllerClientOptions {
  /** Of one request; default 30 s. */
  readonly timeoutMs?: number;
  /**
   * How long a call goes on trying while no controller answers or leads, as when one is being started again; a command keeps its
   * idempotency key meanwhile. Default 0: the first answer counts.
   */
  readonly patienceMs?: number;
  /** Goes into the control log with each command; default: the user's name. */
  readonly by?: string;
}

/**
 * The controller's HTTP API. A command that failed with a `retry` error can be repeated with the same idempotency key. When the asked
 * controller does not lead, the leader that it names is asked instead.
 *
 * Every method throws RepriseError: the controller's own, or CONTROLLER_UNREACHABLE.
 */
export class ControllerClient {
  readonly #url: string;
  /** Another controller, when the one that we were given said that it leads. */
  #leader: string | undefined;
  readonly #timeoutMs: number;
  readonly #patienceMs: number;
  readonly #by: string | undefined;

  constructor(url: string, options: ControllerClientOptions = {}) {
    this.#url = url.replace(/\/+$/, "");
    this.#timeoutMs = options.timeoutMs ?? 30_000;
    this.#patienceMs = options.patienceMs ?? 0;
    this.#by = options.by ?? process.env.USER;
  }

  get url(): string {
    return this.#leader ?? this.#url;
  }

  status(): Promise<Status> {
    return this.#call("GET", "/status");
  }

  deploy(request: DeployRequest, options: CommandOptions = {}): Promise<DeployAnswer> {
    return this.#command("/deployments", request, options);
  }

  cutover(processor: string, request: CutoverRequest = {}, options: CommandOptions = {}): Promise<CutoverAnswer> {
    return this.#command(`/processors/${encodeURIComponent(processor)}/cutover`, request, options);
  }

  rollback(processor: string, options: CommandOptions = {}): Promise<CutoverAnswer> {
    return this.#command(`/processors/${encodeURIComponent(processor)}/rollback`, {}, options);
  }

  retire(deployment: string, options: CommandOptions = {}): Promise<RetireAnswer> {
    return this.#command(`/deployments/${encodeURIComponent(deployment)}/retire`, {}, options);
  }

  workers(deployment: string): Promise<DesiredWorkers> {
    return this.#call("GET", `/deployments/${encodeURIComponent(deployment)}/workers`);
  }

  /** A row of a view, from the serving deployment; undefined when the key has none. */
  async view(
    processor: string,
    view: string,
    key: string,
    query: { readonly [name: string]: string } = {},
  ): Promise<ViewAnswer | undefined> {
    const path = ["processors", processor, "views", view, key].map(encodeURIComponent).join("/");
    const search = new URLSearchParams(query).toString();
    try {
      return await this.#call<ViewAnswer>("GET", `/${path}${search === "" ? "" : `?${search}`}`);
    } catch (error) {
      if (error instanceof NoRow) return undefined;
      throw error;
    }
  }

  #command<T>(path: string, body: object, options: CommandOptions): Promise<T> {
    const by = options.by ?? this.#by;
    const { expectedRevision } = options;
    const full = { ...body, ...(by === undefined ? {} : { by }), ...(expectedRevision === undefined ? {} : { expectedRevision }) };
    return this.#call("POST", path, full, options.idempotencyKey ?? randomUUID());
  }

  async #call<T>(method: "GET" | "POST", path: string, body?: object, idempotencyKey?: string): Promise<T> {
    const deadline = Date.now() + this.#patienceMs;
    for (;;) {
      try {
        return await this.#callOnce<T>(method, path, body, idempotencyKey);
      } catch (error) {
        if (!isAway(error) || Date.now() + retryPauseMs > deadline) throw error;
        await sleep(retryPauseMs);
      }
    }
  }

  /** Asks the leader that was named last, else the controller itself; follows one of them to the other. */
  async #callOnce<T>(method: "GET" | "POST", path: string, body?: object, idempotencyKey?: string): Promise<T> {
    const ask = (url: string): Promise<T> => this.#ask(url, method, path, body, idempotencyKey);
    const leader = this.#leader;
    if (leader !== undefined) {
      try {
        return await ask(leader);
      } catch (error) {
        if (!isAway(error)) throw error;
        // It leads no more, or died: whom we were given knows better by now. A command keeps its key, so it takes effect once.
        this.#leader = undefined;
      }
    }
    try {
      return await ask(this.#url);
    } catch (error) {
      const named = RepriseError.is(error) && error.code === "NOT_LEADER" ? error.details.leader : undefined;
      if (typeof named !== "string" || named === this.#url || named === leader) throw error;
      const answer = await ask(named);
      this.#leader = named;
      return answer;
    }
  }

  async #ask<T>(url: string, method: "GET" | "POST", path: string, body?: object, idempotencyKey?: string): Promise<T> {
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${url}${path}`, {
        method,
        signal: AbortSignal.timeout(this.#timeoutMs),
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { "content-type": "application/json", "idempotency-key": idempotencyKey ?? "" } }),
      });
      text = await response.text();
    } catch (error) {
      throw new RepriseError("CONTROLLER_UNREACHABLE", `The controller at ${url} did not answer.`, { cause: error, details: { url } });
    }
    if (response.ok) return JSON.parse(text) as T;
    throw errorFrom(text, response.status, url);
  }
}

const retryPauseMs = 100;

/** Nobody there who leads: nothing was decided, or at least nobody said so. */
function isAway(error: unknown): boolean {
  return RepriseError.is(error) && (error.code === "NOT_LEADER" || error.code === "CONTROLLER_UNREACHABLE");
}

/** 404 with the worker's own code: the key exists nowhere, which is an answer and no mistake. */
class NoRow extends Error {}

function errorFrom(text: string, status: number, url: string): Error {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: string; message?: string; details?: ErrorDetails } };
    if (error?.code === "NOT_FOUND") return new NoRow();
    if (error?.code !== undefined && error.code in errorTable) {
      return new RepriseError(error.code as ErrorCode, error.message ?? "", { details: error.details ?? {} });
    }
  } catch {
    // Not one of our answers: something else listens there.
  }
  return new RepriseError("CONTROLLER_UNREACHABLE", `What answers at ${url} is not a Reprise controller (status ${status}).`, {
    details: { url, status },
  });
}
