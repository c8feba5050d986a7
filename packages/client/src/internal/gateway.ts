import { type ErrorCode, type ErrorDetails, errorTable, keySegment, parseDuration, RepriseError } from "@reprise/schema";
import type { ConnectOptions } from "../connect.ts";
import type { ReadOptions } from "../views.ts";

/** A gateway that accepted the connection and never answers must not hold a request handler for ever. */
const answerWithinMs = 30_000;
/** What an answer may take beyond the time that the gateway was given to wait. */
const slackMs = 5_000;

type Query = { readonly [name: string]: string | number | boolean | undefined };

/** One processor's views over HTTP: GET {url}/processors/{name}/views/{view}/{key}. */
export class Gateway {
  readonly #processor: string;
  readonly #url: string;
  readonly #headers: { readonly [name: string]: string };

  constructor(processor: string, { url, token }: ConnectOptions) {
    this.#processor = processor;
    this.#url = url.replace(/\/+$/, "");
    this.#headers = { accept: "application/json", ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  }

  /** The answer's JSON; undefined when the row does not exist. @throws RepriseError */
  async read(view: string, key: unknown, query: Query, o: ReadOptions = {}): Promise<unknown> {
    const url = this.#address(view, key, { ...query, atLeast: o.atLeast, timeout: o.timeout });
    const waitMs = o.timeout === undefined ? answerWithinMs : parseDuration(o.timeout, "timeout") + slackMs;
    let status: number;
    let text: string;
    try {
      const answer = await fetch(url, { headers: this.#headers, signal: AbortSignal.timeout(waitMs) });
      status = answer.status;
      text = await answer.text();
    } catch (cause) {
      throw new RepriseError(
        "CONTROLLER_UNREACHABLE",
        `no answer from ${this.#url} for view ${view} of ${this.#processor}: ${reasonOf(cause)}`,
        { details: { url: this.#url, processor: this.#processor, view }, cause },
      );
    }
    const body = parseBody(text);
    if (status >= 200 && status < 300 && body !== undefined) return body;
    const error = errorOf(body);
    if (status === 404 && error?.code === "NOT_FOUND") return undefined;
    throw this.#failure(view, status, error);
  }

  #address(view: string, key: unknown, query: Query): string {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) if (value !== undefined) parameters.set(name, String(value));
    const search = parameters.size === 0 ? "" : `?${parameters.toString()}`;
    return `${this.#url}/processors/${encodeURIComponent(this.#processor)}/views/${encodeURIComponent(view)}/${encodeURIComponent(keySegment(key))}${search}`;
  }

  #failure(view: string, status: number, error: ErrorBody | undefined): RepriseError {
    const details = { ...error?.details, processor: this.#processor, view, status };
    if (error !== undefined && isErrorCode(error.code)) return new RepriseError(error.code, error.message, { details });
    // A newer gateway may know codes that this client does not; a proxy in between knows none.
    const message = `${this.#url} answered ${status} for view ${view} of ${this.#processor}${error === undefined ? "" : `: ${error.code}: ${error.message}`}`;
    return new RepriseError(status >= 500 || status === 429 || status < 300 ? "NOT_SERVING" : "INVALID_ARGUMENT", message, { details });
  }
}

interface ErrorBody {
  readonly code: string;
  readonly message: string;
  readonly details: ErrorDetails | undefined;
}

function errorOf(body: unknown): ErrorBody | undefined {
  const error = (
    body as { readonly error?: { readonly code?: unknown; readonly message?: unknown; readonly details?: unknown } } | null | undefined
  )?.error;
  if (typeof error?.code !== "string") return undefined;
  const details = typeof error.details === "object" && error.details !== null ? (error.details as ErrorDetails) : undefined;
  return { code: error.code, message: typeof error.message === "string" ? error.message : error.code, details };
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code);
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** fetch says "fetch failed"; why is in its cause. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as { readonly cause?: { readonly message?: string; readonly code?: string }; readonly message?: string };
  return (cause?.message || cause?.code) ?? message ?? String(error);
}
