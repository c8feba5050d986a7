import { RepriseError } from "@reprise/schema";

const fullCodes = new Set(["ENOSPC", "EDQUOT", "EFBIG"]);

/** Says in Reprise's codes what the file system said. Errors of Reprise, such as those of the rows' source, pass as they are. */
export function fileError(error: unknown, path: string, doing: string): RepriseError {
  if (RepriseError.is(error)) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const details = { path };
  if (code !== undefined && fullCodes.has(code)) {
    return new RepriseError("DISK_FULL", `No space left for the checkpoint ${path} while ${doing}: ${message}`, { details, cause: error });
  }
  return new RepriseError("CHECKPOINT_FAILED", `The checkpoint ${path} failed while ${doing}: ${message}`, { details, cause: error });
}

export function corruptError(path: string, what: string): RepriseError {
  return new RepriseError("CHECKPOINT_CORRUPT", `The checkpoint ${path} is corrupt: ${what}.`, { details: { path } });
}
