import { hostname } from "node:os";
import { lockedError } from "./store-owner.ts";

/**
 * The folders that are open in this process. The engines' locks are per process and by spelling of the path: through a symbolic link it
 * would let one process open a store twice.
 */
export class OpenFolders {
  readonly #sinceMs = new Map<string, number>();

  /** @throws RepriseError STATE_LOCKED */
  claim(folder: string): void {
    this.refuseOpen(folder);
    this.#sinceMs.set(folder, Date.now());
  }

  /** @throws RepriseError STATE_LOCKED */
  refuseOpen(folder: string): void {
    const sinceMs = this.#sinceMs.get(folder);
    if (sinceMs !== undefined) throw lockedError(folder, { pid: process.pid, host: hostname(), sinceMs });
  }

  release(folder: string): void {
    this.#sinceMs.delete(folder);
  }
}
