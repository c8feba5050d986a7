import { RepriseError } from "@reprise/schema";
import { refuseDeclaration } from "./check-options.ts";

/** By tag, not by constructor: a function of another realm is as asynchronous. */
const tagOf = (value: unknown): string => Object.prototype.toString.call(value);

/**
 * @throws RepriseError ASYNC_HANDLER for async functions, which no replay could order; INVALID_DECLARATION for what is no
 * function, and for generators, whose body would never run
 */
export function checkSyncFunction(value: unknown, what: string): void {
  if (typeof value !== "function") refuseDeclaration(what, `expected a function, got ${value === null ? "null" : typeof value}`);
  const tag = tagOf(value);
  if (tag === "[object AsyncFunction]" || tag === "[object AsyncGeneratorFunction]") {
    throw new RepriseError("ASYNC_HANDLER", `${what} is async; a handler must be synchronous, what must await belongs in an effect`, {
      details: { what },
    });
  }
  if (tag === "[object GeneratorFunction]") refuseDeclaration(what, "a generator function would never run");
}
