import { RepriseError } from "@reprise/schema";

/**
 * An environment variable, for `reprise.config.ts`. Processors must not read it: parameters are part of a deployment.
 * @throws RepriseError INVALID_ARGUMENT when it is not set and there is no fallback
 */
export function env(name: string, fallback?: string): string {
  const value = process.env[name] ?? fallback;
  if (value === undefined) throw new RepriseError("INVALID_ARGUMENT", `the environment variable ${name} is not set`, { details: { name } });
  return value;
}
