import { mkdir, open, readdir, readFile, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileError } from "./checkpoint-error.ts";
import { renameDurably, syncFolder, writeAll } from "./durable-file.ts";
import type { ObjectEntry, ObjectStore } from "./object-store.ts";

/** Files that are being written, or whose writer died. They are listed, so that old ones can be collected. */
const temporaryEnding = ".tmp";
let serial = 0;

/** Objects as files below a folder. */
export class FolderObjects implements ObjectStore {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  address(path: string): string {
    return join(this.#root, path);
  }

  async put(path: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    const target = this.address(path);
    const temporary = `${target}.${process.pid}.${(serial += 1)}${temporaryEnding}`;
    try {
      await this.#makeFolder(dirname(target));
      signal?.throwIfAborted();
      const file = await open(temporary, "wx");
      try {
        await writeAll(file, bytes);
        await renameDurably(file, temporary, target);
      } catch (error) {
        // It may be closed already; what counts is the error that brought us here.
        await file.close().catch(() => undefined);
        await rm(temporary, { force: true }).catch(() => undefined);
        throw error;
      }
    } catch (error) {
      throw fileError(error, target, "writing it");
    }
  }

  async get(path: string): Promise<Buffer | undefined> {
    const file = this.address(path);
    return await readFile(file).catch((error: NodeJS.ErrnoException) => {
      if (isMissing(error)) return undefined;
      throw fileError(error, file, "reading it");
    });
  }

  async list(folder: string): Promise<ObjectEntry[]> {
    const entries: ObjectEntry[] = [];
    for (const entry of await this.#entries(folder)) {
      if (!entry.isFile()) continue;
      const path = `${folder}/${entry.name}`;
      const found = await stat(this.address(path)).catch((error: NodeJS.ErrnoException) => {
        if (isMissing(error)) return undefined;
        throw fileError(error, this.address(path), "looking at it");
      });
      if (found !== undefined) entries.push({ path, bytes: found.size, modifiedMs: found.mtimeMs });
    }
    return entries;
  }

  async folders(folder: string): Promise<string[]> {
    return (await this.#entries(folder)).filter((entry) => entry.isDirectory()).map(({ name }) => name);
  }

  async remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.#remove(path);
  }

  removeFolder(folder: string): Promise<void> {
    return this.#remove(folder);
  }

  async #remove(path: string): Promise<void> {
    const target = this.address(path);
    await rm(target, { recursive: true, force: true }).catch((error: unknown) => {
      throw fileError(error, target, "removing it");
    });
  }

  async #entries(folder: string) {
    const target = this.address(folder);
    return await readdir(target, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
      if (isMissing(error)) return [];
      throw fileError(error, target, "listing it");
    });
  }

  /** A new folder is durable only when the one above it is. */
  async #makeFolder(folder: string): Promise<void> {
    const first = await mkdir(folder, { recursive: true });
    if (first === undefined) return;
    for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made));
  }
}

const isMissing = ({ code }: NodeJS.ErrnoException): boolean => code === "ENOENT" || code === "ENOTDIR";
