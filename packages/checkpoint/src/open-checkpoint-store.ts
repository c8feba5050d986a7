import { RepriseError } from "@reprise/schema";
import type { ArchiveOptions, CheckpointArchive } from "./checkpoint-archive.ts";
import { localCheckpointStore } from "./local-checkpoint-store.ts";
import { s3CheckpointStore } from "./s3-checkpoint-store.ts";

const parameters = ["endpoint", "region", "path-style"] as const;

/**
 * The checkpoint store at a location: a folder, or `s3://bucket/prefix`, with `?endpoint=http://…&region=…&path-style=true` where the environment does
 * not say it. Asks nothing of the store yet.
 * @throws RepriseError INVALID_ARGUMENT naming what is wrong
 */
export function openCheckpointStore(location: string, options: ArchiveOptions = {}): CheckpointArchive {
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(location)) {
    if (location === "") throw refused(location, "it is empty");
    return localCheckpointStore({ folder: location, ...options });
  }
  const url = URL.canParse(location) ? new URL(location) : undefined;
  if (url?.protocol !== "s3:") throw refused(location, "it is neither a folder nor s3://bucket/prefix");
  if (url.hostname === "") throw refused(location, "it names no bucket");
  if (url.username !== "" || url.password !== "")
    throw refused(location.replace(/\/\/.*@/, "//…@"), "credentials come from the environment");
  for (const name of url.searchParams.keys()) {
    if (!(parameters as readonly string[]).includes(name)) throw refused(location, `"${name}" is none of ${parameters.join(", ")}`);
  }
  const endpoint = url.searchParams.get("endpoint") ?? undefined;
  if (endpoint !== undefined && !URL.canParse(endpoint)) throw refused(location, `the endpoint ${endpoint} is no URL`);
  const pathStyle = url.searchParams.get("path-style");
  if (pathStyle !== null && pathStyle !== "true" && pathStyle !== "false") throw refused(location, "path-style is true or false");
  return s3CheckpointStore({
    bucket: url.hostname,
    prefix: decodeURIComponent(url.pathname),
    endpoint,
    region: url.searchParams.get("region") ?? undefined,
    pathStyle: pathStyle === null ? undefined : pathStyle === "true",
    ...options,
  });
}

function refused(location: string, what: string): RepriseError {
  return new RepriseError("INVALID_ARGUMENT", `"${location}" is no place for checkpoints: ${what}.`, { details: { location } });
}
