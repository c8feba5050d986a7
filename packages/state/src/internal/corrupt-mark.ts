import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { RepriseError } from "@reprise/schema";

const fileName = "corrupt";

/**
 * Notes that a store was seen to be corrupt. Its position may still be right, and whoever opens it next would believe it, meet the same row, and so on.
 * Synchronous, since reads are; a disk that does not take it is no reason to lose the error itself.
 */
export function markCorrupt(folder: string, reason: string): void {
  try {
    writeFileSync(join(folder, fileName), `${reason}\n`);
  } catch {
    // The error that is being told says more.
  }
}

/** @throws RepriseError STATE_CORRUPT */
export async function refuseMarked(folder: string): Promise<void> {
  const reason = await readFile(join(folder, fileName), "utf8").catch(() => undefined);
  if (reason === undefined) return;
  throw new RepriseError("STATE_CORRUPT", `The store in ${folder} was found corrupt before: ${reason.trim()}`, { details: { folder } });
}
