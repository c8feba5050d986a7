import { type ErrorDetails, RepriseError } from "@reprise/schema";
import { httpStatusOf } from "./http-status.ts";

/** The body of every answer that is not 2xx. */
export interface ErrorAnswer {
  readonly error: { readonly code: string; readonly message: string; readonly action: string; readonly details: ErrorDetails };
}

/** What a request failed with, as status and body. Faults of our own are stated as such and carry no stack. */
export function errorAnswer(error: unknown): { readonly status: number; readonly body: ErrorAnswer } {
  if (RepriseError.is(error)) {
    const { code, message, action, details } = error;
    return { status: httpStatusOf(code), body: { error: { code, message, action, details } } };
  }
  const status = (error as { statusCode?: number }).statusCode ?? 500;
  const message = error instanceof Error ? error.message : String(error);
  const refused = status >= 400 && status < 500;
  return {
    status,
    body: {
      error: {
        code: refused ? "INVALID_ARGUMENT" : "INTERNAL",
        message,
        action: refused ? "Correct the request." : "This is a mistake of Reprise: please report it.",
        details: {},
      },
    },
  };
}
