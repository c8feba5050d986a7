import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { RepriseError } from "@reprise/schema";

/** Where `reprise dev` keeps everything. */
export interface DevFolder {
  readonly root: string;
  readonly broker: string;
  readonly artifacts: string;
  /** Elsewhere where REPRISE_CHECKPOINTS says so. */
  readonly checkpoints: string;
  readonly state: string;
  readonly logs: string;
  /** Where other commands find the controller. */
  readonly controllerFile: string;
}

export const defaultDevFolder = join(".reprise", "dev");

export function devFolder(root: string): DevFolder {
  const folder = resolve(root);
  return {
    root: folder,
    broker: join(folder, "broker"),
    artifacts: join(folder, "artifacts"),
    checkpoints: process.env.REPRISE_CHECKPOINTS ?? join(folder, "checkpoints"),
    state: join(folder, "state"),
    logs: join(folder, "logs"),
    controllerFile: join(folder, "controller.json"),
  };
}

/** What the controller file says. */
export interface ControllerFile {
  readonly url: string;
  /** Of the supervisor. */
  readonly pid: number;
  readonly bootstrap: string;
}

export async function readControllerFile(folder: DevFolder): Promise<ControllerFile | undefined> {
  try {
    return JSON.parse(await readFile(folder.controllerFile, "utf8")) as ControllerFile;
  } catch {
    return undefined;
  }
}

export async function writeControllerFile(folder: DevFolder, content: ControllerFile): Promise<void> {
  await mkdir(folder.root, { recursive: true });
  const partial = `${folder.controllerFile}.${process.pid}`;
  await writeFile(partial, `${JSON.stringify(content)}\n`);
  await rename(partial, folder.controllerFile);
}

export async function removeControllerFile(folder: DevFolder): Promise<void> {
  await rm(folder.controllerFile, { force: true });
}

/** @throws RepriseError STATE_LOCKED when another supervisor runs on this folder */
export async function refuseSecondSupervisor(folder: DevFolder): Promise<void> {
  const file = await readControllerFile(folder);
  if (file === undefined || file.pid === process.pid || !isAlive(file.pid)) return;
  throw new RepriseError("STATE_LOCKED", `'reprise dev' runs already on ${folder.root} (process ${file.pid}, ${file.url}).`, {
    details: { folder: folder.root, pid: file.pid, url: file.url },
  });
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, but somebody else's.
    return (error as { code?: string }).code === "EPERM";
  }
}
