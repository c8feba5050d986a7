import { execFileSync } from "node:child_process";
import { mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface SmallDisk {
  readonly folder: string;
  readonly unmount: () => Promise<void>;
}

/** A file system of its own in memory, which is full soon. Needs root on Linux; ask `canMount` before. */
export async function mountSmallDisk(sizeMegabytes: number): Promise<SmallDisk> {
  const folder = mkdtempSync(join(tmpdir(), "reprise-disk-"));
  mount(folder, sizeMegabytes);
  return { folder, unmount: async () => unmount(folder) };
}

/** Says why, when it is not possible: a test that is left out has to be seen. */
export function canMount(): boolean {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    console.warn("Tests of a full disk are left out: they mount a tmpfs, which needs root on Linux.");
    return false;
  }
  const probe = mkdtempSync(join(tmpdir(), "reprise-disk-"));
  try {
    mount(probe, 1);
    unmount(probe);
    return true;
  } catch (error) {
    console.warn(`Tests of a full disk are left out: ${String(error)}`);
    return false;
  }
}

function mount(folder: string, sizeMegabytes: number): void {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMegabytes}m`, "tmpfs", folder], { stdio: "pipe" });
}

function unmount(folder: string): void {
  execFileSync("umount", [folder], { stdio: "pipe" });
  rmdirSync(folder);
}
