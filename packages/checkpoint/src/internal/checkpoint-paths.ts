import { createHash } from "node:crypto";
import { join } from "node:path";
import type { TaskId } from "@reprise/engine";
import { RepriseError } from "@reprise/schema";

/** File systems end names at 255 bytes. */
const maxNameLength = 200;

/** `<root>/<deployment>/<partition>`. @throws RepriseError INVALID_ARGUMENT */
export function taskFolder(root: string, { deployment, partition }: TaskId): string {
  checkNumber("partition", partition);
  return join(deploymentFolder(root, deployment), String(partition));
}

/** @throws RepriseError INVALID_ARGUMENT */
export function deploymentFolder(root: string, deployment: string): string {
  return join(root, folderName(deployment));
}

/** What the names of a checkpoint's files follow from. */
export interface CheckpointContent {
  readonly n: number;
  readonly meta: string;
  /** Of the rows. */
  readonly sha256: string;
}

export function manifestName(content: CheckpointContent): string {
  return `${contentName(content)}.json`;
}

export function rowsName(content: CheckpointContent): string {
  return `${contentName(content)}.rows`;
}

/** With the content in it: two processes may write a checkpoint of the same n, and only one of them has the task. */
function contentName({ n, meta, sha256 }: CheckpointContent): string {
  checkNumber("n", n);
  return `${n}-${createHash("sha256").update(sha256).update(meta).digest("hex").slice(0, 32)}`;
}

/** With the process in its name, so that one that died can be told from one that is at it. */
export function temporaryName(n: number, serial: number): string {
  checkNumber("n", n);
  return `${n}.${process.pid}.${serial}.tmp`;
}

/** Of the process that writes, or wrote, a temporary file. */
export function temporaryPid(name: string): number | undefined {
  const found = /^\d+\.(\d+)\.\d+\.tmp$/.exec(name);
  return found === null ? undefined : Number(found[1]);
}

/** Reversible, and different for different names also where the file system ignores case: all but [a-z0-9_-] and inner dots is %XX. */
function folderName(deployment: string): string {
  const name = Array.from(new TextEncoder().encode(deployment), (byte, at) => {
    const character = String.fromCharCode(byte);
    const plain = /[a-z0-9_-]/.test(character) || (character === "." && at > 0);
    return plain ? character : `%${byte.toString(16).padStart(2, "0")}`;
  }).join("");
  if (name.length === 0 || name.length > maxNameLength) {
    throw new RepriseError(
      "INVALID_ARGUMENT",
      `"${deployment}" is no name of a deployment: it is ${name.length === 0 ? "empty" : "too long"}.`,
      {
        details: { deployment },
      },
    );
  }
  return name;
}

function checkNumber(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new RepriseError("INVALID_ARGUMENT", `${name} is ${value}; it has to be an integer of 0 or more.`, { details: { [name]: value } });
}
