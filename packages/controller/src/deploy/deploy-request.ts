import { RepriseError } from "@reprise/schema";
import type { DeployRequest } from "../http/status.ts";
import { checkParams } from "./check-params.ts";
import { type ManifestView, viewManifest } from "./manifest-view.ts";

/** A request whose every field is of the right form. */
export interface DeployWish {
  readonly manifest: ManifestView;
  readonly artifact: string;
  readonly params: { readonly [name: string]: unknown };
  readonly workers: number;
  readonly commitIntervalMs: number;
  readonly checkpointOf?: string | number;
  /** A deployment or version of the same processor whose internal topics are to be read as well. */
  readonly routesOf?: string | number;
}

/** Outputs are seen by others after about this long. */
const defaultCommitIntervalMs = 100;

/** @throws RepriseError INVALID_ARGUMENT, INVALID_NAME, INVALID_DECLARATION */
export function readDeployRequest(request: DeployRequest): DeployWish {
  const { manifest, artifact, params = {}, workers = 1, commitIntervalMs = defaultCommitIntervalMs, checkpointOf, routesOf } = request;
  if (typeof artifact !== "string" || !/^[0-9a-f]{64}$/.test(artifact)) {
    throw new RepriseError("INVALID_ARGUMENT", "'artifact' must be the SHA-256 of the bundle: 64 hex digits.", {
      details: { argument: "artifact" },
    });
  }
  if (typeof params !== "object" || params === null || Array.isArray(params)) {
    throw new RepriseError("INVALID_ARGUMENT", "'params' must be an object.", { details: { argument: "params" } });
  }
  wholeNumber("workers", workers, 1, 256);
  wholeNumber("commitIntervalMs", commitIntervalMs, 10, 60_000);
  for (const [argument, value] of Object.entries({ checkpointOf, routesOf })) {
    if (value === undefined || typeof value === "string" || typeof value === "number") continue;
    throw new RepriseError("INVALID_ARGUMENT", `'${argument}' must be a deployment id or a version.`, { details: { argument } });
  }
  const view = viewManifest(manifest);
  checkParams(view, params);
  return {
    ...{ manifest: view, artifact, params, workers, commitIntervalMs },
    ...(checkpointOf === undefined ? {} : { checkpointOf }),
    ...(routesOf === undefined ? {} : { routesOf }),
  };
}

function wholeNumber(argument: string, value: unknown, least: number, most: number): void {
  if (Number.isInteger(value) && (value as number) >= least && (value as number) <= most) return;
  throw new RepriseError(
    "INVALID_ARGUMENT",
    `'${argument}' must be a whole number from ${least} to ${most}, not ${JSON.stringify(value)}.`,
    { details: { argument } },
  );
}
