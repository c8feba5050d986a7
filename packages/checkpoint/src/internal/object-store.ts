/** What is stored under a path. */
export interface ObjectEntry {
  readonly path: string;
  readonly bytes: number;
  /** Epoch ms, by the clock of whoever stores it. */
  readonly modifiedMs: number;
}

/**
 * Bytes under paths (`a/b/c`, relative to the store's root), as a folder and an object store both have them. What `put` replaces is replaced at
 * once: a reader sees the old bytes or the new ones. Errors are RepriseErrors that name the full address: CHECKPOINT_FAILED, DISK_FULL.
 */
export interface ObjectStore {
  /** For people: where a path is. */
  address(path: string): string;
  /** Durable when it resolves. */
  put(path: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Undefined: there is none. The buffer is the caller's. */
  get(path: string, signal?: AbortSignal): Promise<Buffer | undefined>;
  /** What is directly below a folder `a/b`, in no order; none: empty. */
  list(folder: string): Promise<ObjectEntry[]>;
  /** Names of the folders directly below one ("": the root). */
  folders(folder: string): Promise<string[]>;
  /** Those that are not there are no error. */
  remove(paths: readonly string[]): Promise<void>;
  /** Everything below a folder, at any depth. */
  removeFolder(folder: string): Promise<void>;
}
