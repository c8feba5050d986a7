import { RepriseError } from "../errors/reprise-error.ts";
import { show } from "./misfit.ts";

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Runs a Standard Schema's `validate`. @throws RepriseError SCHEMA_INVALID for issues, and for validators that are asynchronous */
export function acceptStandard(vendor: string, validate: (value: unknown) => unknown, value: unknown): unknown {
  const result = validate(value) as
    | { readonly value?: unknown; readonly issues?: readonly Issue[]; readonly then?: unknown }
    | null
    | undefined;
  if (typeof result !== "object" || result === null)
    throw new RepriseError("SCHEMA_INVALID", `${vendor}: validate() returned ${show(result)}, which is no result`);
  if (typeof result.then === "function") {
    // Nobody awaits it: a rejection must not end the process.
    void Promise.resolve(result).catch(() => undefined);
    throw new RepriseError("SCHEMA_INVALID", `${vendor}: the schema validates asynchronously; only synchronous checks can be replayed`, {
      details: { vendor },
    });
  }
  const [issue] = result.issues ?? [];
  if (result.issues === undefined) return result.value;
  const path = `${vendor}${(issue?.path ?? []).map(step).join("")}`;
  throw new RepriseError("SCHEMA_INVALID", `${path}: ${issue?.message ?? "does not fit"}`, {
    details: { path, got: show(value), issues: result.issues.length },
  });
}

function step(part: PropertyKey | { readonly key: PropertyKey }): string {
  const key = typeof part === "object" ? part.key : part;
  return typeof key === "number" ? `[${key}]` : `.${String(key)}`;
}
