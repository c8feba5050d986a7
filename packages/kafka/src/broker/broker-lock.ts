import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Who runs on a data folder. Kafka's own `.lock` decides; this file is there to tell people who it is. */
export interface BrokerOwner {
  readonly pid: number;
  readonly bootstrap: string;
}

const fileOf = (folder: string): string => join(folder, "broker.json");

function commandLine(pid: number): string {
  try {
    if (existsSync("/proc/self/cmdline")) return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
    return execFileSync("ps", ["-p", String(pid), "-o", "args="], { encoding: "utf8", timeout: 5_000 });
  } catch {
    return "";
  }
}

/** The live broker on this folder, or undefined; a file that a dead one left, or whose pid is another program's now, is removed. */
export function ownerOf(folder: string): BrokerOwner | undefined {
  let owner: BrokerOwner;
  try {
    owner = JSON.parse(readFileSync(fileOf(folder), "utf8")) as BrokerOwner;
  } catch {
    return undefined;
  }
  // The folder's name is on the broker's command line, so a pid that the system gave away again is not mistaken for it.
  if (commandLine(owner.pid).includes(folder)) return owner;
  rmSync(fileOf(folder), { force: true });
  return undefined;
}

export function writeOwner(folder: string, owner: BrokerOwner): void {
  writeFileSync(fileOf(folder), JSON.stringify(owner));
}

export function removeOwner(folder: string): void {
  rmSync(fileOf(folder), { force: true });
}
