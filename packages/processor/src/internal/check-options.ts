import { type Duration, parseDuration, RepriseError } from "@reprise/schema";

export function refuseDeclaration(what: string, problem: string): never {
  throw new RepriseError("INVALID_DECLARATION", `${what}: ${problem}`, { details: { what } });
}

/** The compiler refuses misspelt options; JavaScript's users have only this. @throws RepriseError INVALID_DECLARATION */
export function checkOptions(options: unknown, allowed: readonly string[], what: string): void {
  if (typeof options !== "object" || options === null) refuseDeclaration(what, "expected an object of options");
  for (const name of Object.keys(options)) {
    if (!allowed.includes(name)) refuseDeclaration(what, `unknown option "${name}"; there are ${allowed.join(", ")}`);
  }
}

/** @throws RepriseError INVALID_DECLARATION unless it is one of `allowed` */
export function checkOneOf<V extends string>(value: V, allowed: readonly V[], what: string): V {
  return allowed.includes(value)
    ? value
    : refuseDeclaration(what, `expected ${allowed.map((one) => `"${one}"`).join(", ")}, got ${JSON.stringify(value) ?? String(value)}`);
}

/** Milliseconds > 0. @throws RepriseError INVALID_ARGUMENT for the notation, INVALID_DECLARATION for 0 */
export function positiveMs(duration: Duration, what: string): number {
  const ms = parseDuration(duration, what);
  return ms > 0 ? ms : refuseDeclaration(what, "expected a duration above 0");
}
