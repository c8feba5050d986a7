import { type ErrorCode, errorTable } from "./error-table.ts";

/** Recognises errors of another copy of this package (an artifact carries its own). */
const brand: unique symbol = Symbol.for("reprise.error") as never;

/** What an error is about: the names and numbers that the message speaks of, for logs and `--json`. */
export type ErrorDetails = { readonly [name: string]: string | number | boolean | null | undefined };

/**
 * The one error class of Reprise. `code` is from the closed union in the error table; `action` says what an operator or
 * author can do; `retry` says whether the same call may succeed later without anybody doing anything.
 */
export class RepriseError extends Error {
  readonly [brand] = true;
  override readonly name = "RepriseError";
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: { readonly details?: ErrorDetails; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  get retry(): boolean {
    return errorTable[this.code].retry;
  }

  get action(): string {
    return errorTable[this.code].action;
  }

  toJSON(): { code: ErrorCode; message: string; action: string; retry: boolean; details: ErrorDetails } {
    return { code: this.code, message: this.message, action: this.action, retry: this.retry, details: this.details };
  }

  static is(value: unknown): value is RepriseError {
    return typeof value === "object" && value !== null && (value as { [brand]?: boolean })[brand] === true;
  }
}
