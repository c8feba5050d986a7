import { RepriseError } from "../errors/reprise-error.ts";

/** Thrown by compiled code when a value does not fit. The slow path then walks the value again and names the place. */
export const misfit = Symbol("value does not fit its schema");

/** Where and why a value does not fit. */
export interface Misfit {
  readonly path: string;
  readonly expected: string;
  readonly got: string;
}

export function fail(): never {
  // oxlint-disable-next-line typescript/only-throw-error -- a sentinel that is caught before it leaves: an Error would collect a stack for nothing
  throw misfit;
}

export function misfitError({ path, expected, got }: Misfit, cause?: unknown): RepriseError {
  return new RepriseError("SCHEMA_INVALID", `${path}: expected ${expected}, got ${got}`, { details: { path, expected, got }, cause });
}

const longestShown = 60;

/** A value for a message: its type, and its beginning when it is short enough to help. */
export function show(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string")
    return `string ${JSON.stringify(value.length > longestShown ? `${value.slice(0, longestShown)}…` : value)}`;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return `${typeof value} ${String(value)}`;
  if (Array.isArray(value)) return `array of ${value.length}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return typeof value;
}
