import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Turns a bit in some places of every file of the folder, as bad disks do. Of a store whose process is dead. */
export function flipBits(folder: string, pick: number): void {
  let state = Math.floor(pick * 2 ** 31) | 1;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" }).sort()) {
    const file = join(folder, name);
    if (!statSync(file).isFile()) continue;
    const bytes = readFileSync(file);
    if (bytes.length === 0) continue;
    // One flip in small files, one for every 4 kB in larger ones: most blocks are hit.
    for (let i = 0; i <= bytes.length >> 12; i++) {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      const at = state % bytes.length;
      bytes[at] = (bytes[at] as number) ^ (1 << (state >> 28));
    }
    writeFileSync(file, bytes);
  }
}

export function deleteFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
