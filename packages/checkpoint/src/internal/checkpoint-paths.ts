import { createHash } from "node:crypto";
import type { TaskId } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";

/** File systems end names at 255 bytes. */
const maxNameLength = 200;

/** `<deployment>/<partition>`. @throws RepriseError INVALID_ARGUMENT */
export function taskFolder({ deployment, partition }: TaskId): string {
  checkNumber("partition", partition);
  return `${deploymentFolder(deployment)}/${partition}`;
}

/** Reversible, and different for different names also where the file system ignores case: all but [a-z0-9_-] and inner dots is %XX. */
export function deploymentFolder(deployment: string): string {
  const name = Array.from(new TextEncoder().encode(deployment), (byte, at) => {
    const character = String.fromCharCode(byte);
    const plain = /[a-z0-9_-]/.test(character) || (character === "." && at > 0);
    return plain ? character : `%${byte.toString(16).padStart(2, "0")}`;
  }).join("");
  if (name.length > 0 && name.length <= maxNameLength) return name;
  const what = name.length === 0 ? "empty" : "too long";
  throw new RepriseError("INVALID_ARGUMENT", `"${deployment}" is no name of a deployment: it is ${what}.`, { details: { deployment } });
}

/** The deployment behind a folder's name; undefined: it is none that `deploymentFolder` made. */
export function deploymentOf(folder: string): string | undefined {
  try {
    const name = decodeURIComponent(folder);
    return deploymentFolder(name) === folder ? name : undefined;
  } catch {
    return undefined;
  }
}

/** What the name of a checkpoint follows from. */
export interface CheckpointContent extends TaskId {
  readonly n: number;
  readonly meta: string;
  /** Of the rows. */
  readonly sha256: string;
}

export const manifestPath = (content: CheckpointContent): string => `${manifestFolder(content)}/${manifestName(content)}`;

/**
 * With the content in it: two processes may write a checkpoint of the same n, and only one of them has the task. The number is padded, so that a
 * listing is in order for people too.
 */
export function manifestName({ n, meta, sha256 }: CheckpointContent): string {
  checkNumber("n", n);
  const hash = createHash("sha256").update(sha256).update(meta).digest("hex");
  return `${String(n).padStart(16, "0")}-${hash.slice(0, 16)}.json`;
}

export const manifestFolder = (task: TaskId): string => `${taskFolder(task)}/manifests`;
/** Manifests of checkpoints that were removed, until what only they need is collected. */
export const removedFolder = (task: TaskId): string => `${taskFolder(task)}/removed`;
export const segmentFolder = (task: TaskId): string => `${taskFolder(task)}/segments`;
export const segmentPath = (task: TaskId, sha256: string): string => `${segmentFolder(task)}/${sha256}`;

function checkNumber(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new RepriseError("INVALID_ARGUMENT", `${name} is ${value}; it has to be an integer of 0 or more.`, { details: { [name]: value } });
}
