import { markCorrupt } from "./corrupt-mark.ts";
import type { RepriseError } from "@reprise/schema";
import { closedError, storeError } from "./store-error.ts";

/** What a store on native code needs whatever the code is: no call after close (it would crash the process), and a close that waits for calls. */
export abstract class NativeStore {
  protected readonly folder: string;
  readonly #released: () => Promise<void>;
  readonly #pending = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;
  #diskFull: RepriseError | undefined;

  /** @param released runs once the files are closed, also when closing them failed */
  constructor(folder: string, released: () => Promise<void>) {
    this.folder = folder;
    this.#released = released;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Lets go of iterators and batches; no call is under way. */
  protected abstract letGo(): void;
  protected abstract closeFiles(): Promise<void>;

  async #close(): Promise<void> {
    // A native read that is under way still uses its iterator and the database.
    await Promise.allSettled(this.#pending);
    this.letGo();
    await Promise.allSettled(this.#pending);
    try {
      await this.closeFiles();
    } catch (error) {
      // Of what could not be written before, an engine says at the end only that there was something.
      throw this.#diskFull ?? storeError(error, this.folder, "closing");
    } finally {
      await this.#released();
    }
  }

  protected guard<T>(doing: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw this.failure(error, doing);
    }
  }

  /** A store that was once seen to be corrupt is so for good: whoever opens it next has to know. */
  protected failure(error: unknown, doing: string): Error {
    const failure = storeError(error, this.folder, doing);
    if (failure.code === "STATE_CORRUPT") markCorrupt(this.folder, failure.message);
    if (failure.code === "DISK_FULL") this.#diskFull = failure;
    return failure;
  }

  protected track<T>(work: Promise<T>): Promise<T> {
    const forget = (): void => void this.#pending.delete(work);
    this.#pending.add(work);
    work.then(forget, forget);
    return work;
  }

  protected checkOpen(): void {
    if (this.#closing !== undefined) throw closedError(this.folder);
  }
}
