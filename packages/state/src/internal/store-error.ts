import { RepriseError } from "@reprise/schema";

/** The engines pass on the system's words, not its error numbers. */
const noSpace = /no space left on device|disk quota exceeded|file too large/i;
const surroundings = /permission denied|too many open files|read-only file system|cannot allocate memory/i;
/** Node's own, of the files around the store; the engines' begin with LEVEL_. */
const systemCode = /^E[A-Z0-9]+$/;

/** Says in Reprise's codes what went wrong with the store of `folder`. Total: an error that is not known is a corrupt store. */
export function storeError(error: unknown, folder: string, doing: string): RepriseError {
  if (RepriseError.is(error)) return error;
  const texts = causes(error);
  const text = texts.join("; ");
  const details = { folder };
  const codes = errorCodes(error);
  if (noSpace.test(text) || codes.some((code) => code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG")) {
    return new RepriseError("DISK_FULL", `No space left for the store in ${folder} while ${doing}: ${text}`, { details, cause: error });
  }
  if (surroundings.test(text) || codes.some((code) => systemCode.test(code))) {
    return new RepriseError("STATE_FAILED", `The store in ${folder} failed while ${doing}: ${text}`, { details, cause: error });
  }
  return new RepriseError("STATE_CORRUPT", `The store in ${folder} is corrupt; seen while ${doing}: ${text}`, { details, cause: error });
}

/** The engine's own lock: another process has the store open. */
export function isLockedError(error: unknown): boolean {
  return errorCodes(error).includes("LEVEL_LOCKED");
}

export function closedError(folder: string): RepriseError {
  return new RepriseError("ILLEGAL_STATE", `The store in ${folder} is closed.`, { details: { folder } });
}

function causes(error: unknown): string[] {
  const texts: string[] = [];
  // Bounded: a cause may point to itself.
  for (let at = error, depth = 0; at !== undefined && at !== null && depth < 5; depth += 1) {
    texts.push(at instanceof Error ? at.message : typeof at === "string" ? at : JSON.stringify(at));
    at = at instanceof Error ? at.cause : undefined;
  }
  return texts;
}

function errorCodes(error: unknown): string[] {
  const codes: string[] = [];
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) {
    const { code } = at as { code?: unknown };
    if (typeof code === "string") codes.push(code);
  }
  return codes;
}
