import { RepriseError } from "@reprise/schema";

const fullCodes = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Says in Reprise's codes what the file system said. Errors of Reprise, such as those of the rows' source, pass as they are. */
export function fileError(error: unknown, path: string, doing: string): RepriseError {
  if (RepriseError.is(error)) return error;
  const { code } = error as NodeJS.ErrnoException;
  if (code !== undefined && fullCodes.has(code)) return fullError(path, doing, error);
  return failedError(path, doing, error);
}

export function failedError(path: string, doing: string, cause: unknown): RepriseError {
  return new RepriseError("CHECKPOINT_FAILED", `The checkpoint store failed at ${path} while ${doing}: ${messageOf(cause)}`, {
    details: { path },
    cause,
  });
}

export function fullError(path: string, doing: string, cause: unknown): RepriseError {
  return new RepriseError("DISK_FULL", `No space left in the checkpoint store for ${path} while ${doing}: ${messageOf(cause)}`, {
    details: { path },
    cause,
  });
}

export function corruptError(path: string, what: string): RepriseError {
  return new RepriseError("CHECKPOINT_CORRUPT", `The checkpoint ${path} is corrupt: ${what}.`, { details: { path } });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
